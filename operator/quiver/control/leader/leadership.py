"""Whether this process may write: until when, by a clock that nobody sets."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quiver.ports.errors import PortError

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock."""


def now() -> float:
    """Return seconds that never run backwards; they mean nothing on another machine."""
    return time.clock_gettime(CLOCK)


class NotLeading(PortError):
    """Another process may be at work: this one writes nothing."""


class Leadership:
    """A process that was paused does not know it when it wakes up, so every write asks right before
    it goes out, by `writing`.
    """

    def __init__(
        self,
        on_loss: Callable[[str], object] = lambda _why: None,
        now: Callable[[], float] = now,
    ) -> None:
        """`on_loss` is told why, the moment the loss is found out; it may end the process."""
        self._on_loss = on_loss
        self.now = now
        self._until = -math.inf
        self._under_way = 0
        self._given_up_at = -math.inf

    @property
    def remaining(self) -> float:
        """Seconds for which the lease is certain to be ours; not above 0 when it is not."""
        return self._until - self.now()

    def begin(self, until: float) -> None:
        self._until = until

    def extend(self, until: float) -> None:
        """Raises NotLeading where it comes too late."""
        self.require()
        self._until = until

    def require(self) -> None:
        """Raises NotLeading unless this process leads for certain."""
        if self.remaining <= 0:
            self.lose("it could not be renewed in time")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Send one write within. Raises NotLeading, and then nothing may be sent."""
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
        """Return in how many seconds no write of this process can arrive any more, if none arrives
        later than `late` seconds after it was given up.
        """
        if self._under_way:
            return math.inf
        return max(0.0, self._given_up_at + late - self.now())

    def lose(self, why: str) -> None:
        """Raises NotLeading, always."""
        led = self.resign()
        if led:
            self._on_loss(why)
        raise NotLeading(f"this operator does not hold the lease: {why}")

    def resign(self) -> bool:
        """Write nothing more; tell whether that is news."""
        led = self._until > -math.inf
        self._until = -math.inf
        return led
