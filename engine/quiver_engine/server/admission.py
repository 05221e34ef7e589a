"""Lets requests in only while there is memory for them.

gRPC tells nothing of a message before all of it is there, so each that is being received counts as
the most its kind may have. One that is still not there when the process hardly grows any more is a
slow client's: it counts no more, or a few of them would keep everybody out. That the machine has
memory left is seen to all the same.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from quiver_engine.model import MAX_MESSAGE_BYTES, MIB
from quiver_engine.system import headroom

ROOM_BYTES = 4 * MAX_MESSAGE_BYTES
LOOK_S = 0.05
_SLOW_BYTES = 8 * MIB
"""Growth from one look to the next that tells of a message on its way."""
_LOOKS = 100
"""How often at most: then the growth is somebody else's."""
_COPIES = 2
"""gRPC has its own of what it hands over, and a request's rows are cut out while it is there."""

T = TypeVar("T")


class _Waiting(NamedTuple):
    size: int
    turn: asyncio.Future[None]


@dataclass(eq=False)
class _Reading:
    counted: int
    looks: int = 0


class Admission:
    """For requests of one kind, in one event loop; who has to wait is let in in turn."""

    def __init__(self, room: int = ROOM_BYTES) -> None:
        """`room` is in bytes; a single request is let in whatever its size."""
        self._room = room
        self._taken = 0
        self._readings: set[_Reading] = set()
        self._next_look: asyncio.TimerHandle | None = None
        self._grown_to = 0
        self._waiting: deque[_Waiting] = deque()

    async def receive(self, read: Callable[[], Awaitable[T]], largest: int) -> T:
        """Read a message of a kind that has at most so many bytes, once there is room for it."""
        reading = _Reading(_COPIES * largest)
        await self._enter(reading.counted)
        self._readings.add(reading)
        try:
            return await read()
        finally:
            self._readings.discard(reading)
            self._give_back(reading.counted)

    @contextmanager
    def holding(self, message: object) -> Iterator[None]:
        """Count a message for as long as it is worked on."""
        size = _COPIES * len(message) if isinstance(message, bytes) else 0
        self._taken += size
        try:
            yield
        finally:
            self._give_back(size)

    async def _enter(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(size, turn))
        self._look_later()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give_back(size)
            raise

    def _look_later(self) -> None:
        if self._next_look is None:
            self._grown_to = headroom.anonymous_bytes()
            self._next_look = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """Stop counting messages that do not come; goes on as long as somebody waits."""
        self._next_look = None
        grown = headroom.anonymous_bytes() - self._grown_to
        for reading in list(self._readings):
            reading.looks += 1
            if reading.looks > 1 and (grown < _SLOW_BYTES or reading.looks > _LOOKS):
                self._readings.discard(reading)
                self._give_back(reading.counted)
                reading.counted = 0
        if self._waiting:
            self._look_later()

    def _give_back(self, size: int) -> None:
        self._taken -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            has_left = turn.done()
            if not (has_left or self._fits(wanted)):
                return
            self._waiting.popleft()
            if not has_left:
                self._taken += wanted
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        if not self._taken:
            return True
        return self._taken + size <= self._room and size <= headroom.available_bytes()
