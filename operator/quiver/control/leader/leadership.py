"""Whether this process may write, and until when, by a clock that cannot be set."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quiver.ports.errors import PortError

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Runs on while the machine sleeps, if the system has such a clock."""


def now() -> float:
    """Return seconds that never run backwards. They cannot be compared with another machine's."""
    return time.clock_gettime(CLOCK)


class NotLeading(PortError):
    """Another process may lead, so this one must not write."""


class Leadership:
    """Permits writes while this process leads.

    A process that was suspended does not notice when it resumes. So each write checks leadership
    right before it is sent, within `writing`.
    """

    def __init__(
        self,
        on_loss: Callable[[str], object] = lambda _why: None,
        now: Callable[[], float] = now,
    ) -> None:
        """`on_loss` is called with the reason when the loss is detected. It may end the process."""
        self._on_loss = on_loss
        self.now = now
        self._until = -math.inf
        self._under_way = 0
        self._given_up_at = -math.inf

    @property
    def remaining(self) -> float:
        """Seconds for which this process certainly holds the lease; 0 or less if it may not."""
        return self._until - self.now()

    def begin(self, until: float) -> None:
        self._until = until

    def extend(self, until: float) -> None:
        """Lead until `until`. Raises: NotLeading if leadership has ended already."""
        self.require()
        self._until = until

    def require(self) -> None:
        """Raises: NotLeading unless this process certainly leads."""
        if self.remaining <= 0:
            self.lose("it could not be renewed in time")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A context for sending one write. Raises: NotLeading on entry, if it must not be sent."""
        self.require()
        self._under_way += 1
        answered = False
        try:
            yield
            answered = True
        except PortError as error:
            answered = error.answered
            raise
        finally:
            self._under_way -= 1
            if not answered:
                self._given_up_at = self.now()

    def quiet_in(self, late: float) -> float:
        """Return the seconds until no write of this process can arrive any more, if none arrives
        later than `late` seconds after it timed out. Infinite while a write is in progress.
        """
        if self._under_way:
            return math.inf
        return max(0.0, self._given_up_at + late - self.now())

    def lose(self, why: str) -> None:
        """Give up leadership, and call `on_loss` if it was held. Raises: NotLeading, always."""
        led = self.resign()
        if led:
            self._on_loss(why)
        raise NotLeading(f"this operator does not hold the lease: {why}")

    def resign(self) -> bool:
        """Give up leadership; tell whether this process had it."""
        led = self._until > -math.inf
        self._until = -math.inf
        return led
