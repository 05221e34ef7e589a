"""The periodic resync, which finds drift on engines and what the watches missed."""

import asyncio
import logging
import random
from collections.abc import Callable, Container
from dataclasses import dataclass

from quiver.control.cache.cache import Cache
from quiver.control.cache.relisting import Relister
from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key

log = logging.getLogger(__name__)

Add = Callable[[Key], None]
JITTER = 0.2
NUDGE_DELAY_S = 1.0
"""How long to wait after a nudge: a watch that starts again lists several kinds in a row."""


@dataclass(frozen=True)
class Queues:
    """`parked` are the collections that wait for an engine. They are enqueued when it answers."""

    add_collection: Add
    add_engine: Add
    parked: Container[Key] = frozenset()


class Resync:
    """In each period, lists the cluster again, and enqueues all engines and the collections that
    are not Ready. A nudge only lists the cluster.
    """

    def __init__(
        self,
        relister: Relister,
        cache: Cache,
        queues: Queues,
        period: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`period` is in seconds. `uniform` varies it by up to a fifth either way."""
        self._relister = relister
        self._cache = cache
        self._queues = queues
        self._period = period
        self._uniform = uniform
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """List the cluster again soon: a watch has restarted and may have missed deletions."""
        self._nudged.set()

    async def run(self) -> None:
        """Resync periodically, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._period * self._uniform(1 - JITTER, 1 + JITTER)
            while await self._nudged_before(due - loop.time()):
                await asyncio.sleep(NUDGE_DELAY_S)
                self._nudged.clear()
                await self._relister.refresh()
            try:
                await self.once()
            except Exception:
                log.exception("a resync failed: this is a bug; the next one tries again")

    async def _nudged_before(self, seconds: float) -> bool:
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that coincides with a nudge.
            async with asyncio.timeout(max(0, seconds)):
                await self._nudged.wait()
        except TimeoutError:
            return False
        return True

    async def once(self) -> None:
        """Do one whole resync."""
        await self._relister.refresh()
        self._enqueue_unready()

    def _enqueue_unready(self) -> None:
        for engine in self._cache.all(VECTOR_ENGINE):
            self._queues.add_engine(Key.of(engine))
        for collection in self._cache.all(VECTOR_COLLECTION):
            key = Key.of(collection)
            if ready_status(collection) != "True" and key not in self._queues.parked:
                self._queues.add_collection(key)
