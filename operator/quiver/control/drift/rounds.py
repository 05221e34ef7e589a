"""Rounds that reconcile every collection, since a list of names shows no drift of schema,
partitions or index.
"""

import asyncio
import zlib
from collections.abc import Callable

from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key

STEP_S = 1.0


class VerificationRounds:
    """Enqueues each collection once per period, evenly spread, for a low and steady rate of calls.

    The order mixes engines, and stays the same from round to round.
    """

    def __init__(
        self, cache: Cache, add: Callable[[Key], None], period: float, step: float = STEP_S
    ) -> None:
        """`period` is in seconds, and so is `step`, after which it is seen to what is due."""
        self._cache = cache
        self._add = add
        self._period = period
        self._step = min(step, period)

    async def run(self) -> None:
        """Run rounds until cancelled. The first one need not hurry: filling the cache has enqueued
        every collection.
        """
        while True:
            await self._round()

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        keys = sorted(map(Key.of, self._cache.all(VECTOR_COLLECTION)), key=_mixed)
        queued = 0
        while queued < len(keys) or loop.time() < begun + self._period:
            await asyncio.sleep(self._step)
            due = int(len(keys) * min(1, (loop.time() - begun) / self._period))
            for key in keys[queued:due]:
                self._add(key)
            queued = due


def _mixed(key: Key) -> int:
    return zlib.crc32(str(key).encode())
