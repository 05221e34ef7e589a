"""Ends calls whose requests do not arrive.

gRPC counts a call from its headers on, and refuses all others while too many are open. A client may
open thousands of calls and never send a request.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from quiver_engine.model import MIB

LEAST_S = 10.0
"""How long the smallest request may take to arrive."""
RATE = 4 * MIB
"""Bytes. A request may take one second more for each `RATE` that it may have."""

T = TypeVar("T")
Read = Callable[[], Awaitable[T]]


def patience_s(largest: int) -> float:
    """Return how long a request of up to `largest` bytes may take to arrive."""
    return LEAST_S + largest / RATE


class Arrivals:
    """Bounds how many requests may be outstanding, and for how long; for one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._outstanding: dict[asyncio.Timeout, None] = {}

    @asynccontextmanager
    async def awaiting(self, read: Read[T], longest_s: float) -> AsyncIterator[Read[T]]:
        """Count a request as outstanding while the context lasts; yield `read`, with a deadline.

        Raises TimeoutError if `read` takes longer than `longest_s` seconds. So does, at once, the
        oldest context while there are more than `most`.
        """
        loop = asyncio.get_running_loop()

        async def read_in_time() -> T:
            timeout.reschedule(loop.time() + longest_s)
            return await read()

        async with asyncio.timeout(None) as timeout:
            self._outstanding[timeout] = None
            if len(self._outstanding) > self._most:
                oldest = next(iter(self._outstanding))
                del self._outstanding[oldest]
                oldest.reschedule(loop.time())
            try:
                yield read_in_time
            finally:
                self._outstanding.pop(timeout, None)
