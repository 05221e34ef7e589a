"""Admits requests only while there is memory for them.

gRPC does not say how large a message is before all of it has arrived. So a message that is being
received counts as the largest of its kind. If it has not arrived when the process hardly grows any
more, its client is slow, and it no longer counts: a few slow clients would otherwise keep out all
others. Whether the machine has memory left is checked in any case.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from quiver_engine.model import MAX_MESSAGE_BYTES, MIB
from quiver_engine.system import headroom

ROOM_BYTES = 4 * MAX_MESSAGE_BYTES
LOOK_S = 0.05
_SLOW_BYTES = 8 * MIB
"""A process that grows less between two looks is receiving no large message."""
_LOOKS = 100
"""After so many looks a message no longer counts, even if the process still grows."""
_COPIES = 2
"""gRPC keeps a copy of a message, and decoding makes another one of its rows."""

T = TypeVar("T")


class _Waiting(NamedTuple):
    size: int
    turn: asyncio.Future[None]


@dataclass(eq=False)
class _Reading:
    counted: int
    looks: int = 0


class Admission:
    """Admits requests of one kind; for one event loop. Senders take turns, one request each."""

    def __init__(self, room: int = ROOM_BYTES, look: float = LOOK_S) -> None:
        """`room` is in bytes. A request is admitted whatever its size while there is no other.

        While requests wait, what is being received is looked at every `look` seconds.
        """
        self._room = room
        self._look_s = look
        self._taken = 0
        self._readings: set[_Reading] = set()
        self._next_look: asyncio.TimerHandle | None = None
        self._grown_to = 0
        self._waiting: dict[Hashable, deque[_Waiting]] = {}
        """By sender, the one whose turn is next first."""

    async def receive(
        self, read: Callable[[], Awaitable[T]], largest: int, sender: Hashable = None
    ) -> T:
        """Call `read` once there is room for a message of `largest` bytes; return its message."""
        reading = _Reading(_COPIES * largest)
        await self._admit(reading.counted, sender)
        self._readings.add(reading)
        try:
            return await read()
        finally:
            self._readings.discard(reading)
            self._release(reading.counted)

    @contextmanager
    def holding(self, message: object) -> Iterator[None]:
        """Count a message by its size while the context lasts."""
        size = _COPIES * len(message) if isinstance(message, bytes) else 0
        self._taken += size
        try:
            yield
        finally:
            self._release(size)

    async def _admit(self, size: int, sender: Hashable) -> None:
        if not self._waiting and self._fits(size):
            self._taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(sender, deque()).append(_Waiting(size, turn))
        self._look_later()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._release(size)
            raise

    def _look_later(self) -> None:
        if self._next_look is None:
            self._grown_to = headroom.anonymous_bytes()
            self._next_look = asyncio.get_running_loop().call_later(self._look_s, self._look)

    def _look(self) -> None:
        """Stop counting messages that do not arrive; repeated while requests wait."""
        self._next_look = None
        grown = headroom.anonymous_bytes() - self._grown_to
        for reading in list(self._readings):
            reading.looks += 1
            if reading.looks > 1 and (grown < _SLOW_BYTES or reading.looks > _LOOKS):
                self._readings.discard(reading)
                self._release(reading.counted)
                reading.counted = 0
        if self._waiting:
            self._look_later()

    def _release(self, size: int) -> None:
        self._taken -= size
        while self._waiting:
            sender, waiting = next(iter(self._waiting.items()))
            wanted, turn = waiting[0]
            has_left = turn.done()
            if not (has_left or self._fits(wanted)):
                return
            waiting.popleft()
            del self._waiting[sender]
            if not has_left:
                self._taken += wanted
                turn.set_result(None)
            if waiting:
                self._waiting[sender] = waiting

    def _fits(self, size: int) -> bool:
        if not self._taken:
            return True
        return self._taken + size <= self._room and size <= headroom.available_bytes()
