"""What no event tells: drift on the engines, and what the watches missed."""

import asyncio
import logging
import random
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

import msgspec

from quiver.control.cache import Cache
from quiver.control.listing import Lister
from quiver.domain.claims import claim_of
from quiver.domain.conditions import ready_status
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.members import Member, members_of
from quiver.domain.objects import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError

log = logging.getLogger(__name__)

Add = Callable[[Key], None]
PROBES = 16
"""Members asked at the same time."""
JITTER = 0.2
SETTLE_S = 1.0
"""How long to wait after a nudge: a watch that starts again lists several kinds."""


@dataclass(frozen=True)
class Queues:
    """`parked` are collections that come back by themselves."""

    add_collection: Add
    add_engine: Add
    parked: Container[Key] = frozenset()


class Resync:
    """Every period, and when nudged: lists the cluster anew, queues what is not well, and asks each
    member which collections it has.
    """

    def __init__(
        self,
        lister: Lister,
        cache: Cache,
        engines: Engines,
        queues: Queues,
        period: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`period` is in seconds; `uniform` spreads it by a fifth either way."""
        self._lister = lister
        self._cache = cache
        self._engines = engines
        self._queues = queues
        self._period = period
        self._uniform = uniform
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """List the cluster again soon: a watch has begun anew and may have missed deletions."""
        self._nudged.set()

    async def run(self) -> None:
        """Go on for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._period * self._uniform(1 - JITTER, 1 + JITTER)
            while await self._nudged_before(due - loop.time()):
                await asyncio.sleep(SETTLE_S)
                self._nudged.clear()
                await self._lister.refresh()
            try:
                await self.once()
            except Exception:
                log.exception("a resync failed: this is a bug; the next one tries again")

    async def _nudged_before(self, seconds: float) -> bool:
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes with the nudge.
            async with asyncio.timeout(max(0, seconds)):
                await self._nudged.wait()
        except TimeoutError:
            return False
        return True

    async def once(self) -> None:
        """Do one whole round."""
        await self._lister.refresh()
        self._queue_what_is_not_well()
        await self._probe_members()

    def _queue_what_is_not_well(self) -> None:
        for engine in self._cache.all(VECTOR_ENGINE):
            self._queues.add_engine(Key.of(engine))
        for collection in self._cache.all(VECTOR_COLLECTION):
            key = Key.of(collection)
            if ready_status(collection) != "True" and key not in self._queues.parked:
                self._queues.add_collection(key)

    async def _probe_members(self) -> None:
        turns = asyncio.Semaphore(PROBES)
        async with asyncio.TaskGroup() as probes:
            for engine, member in list(self._ready_members()):
                probes.create_task(self._probe(engine, member, turns))

    def _ready_members(self) -> Iterator[tuple[VectorEngine, Member]]:
        for manifest in self._cache.all(VECTOR_ENGINE):
            pods = self._cache.list(POD, manifest["metadata"]["namespace"])
            try:
                engine = msgspec.convert(manifest, VectorEngine)
                members = members_of(engine, (msgspec.convert(pod, Pod) for pod in pods))
            except msgspec.ValidationError:
                continue  # its own reconcile says so in its status
            yield from ((engine, member) for member in members if member.ready)

    async def _probe(self, engine: VectorEngine, member: Member, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                present = await self._engines.at(member.address).list_collections()
            except EngineError as error:
                log.warning("engine %s, %s: %s", engine.metadata.key, member.name, error)
                return
        missing = list(self._missing(engine, member, present))
        if missing:
            log.info(
                "engine %s, %s: collections are missing, looking into it: %d",
                engine.metadata.key,
                member.name,
                len(missing),
            )
        for key in missing:
            self._queues.add_collection(key)

    def _missing(
        self, engine: VectorEngine, member: Member, present: frozenset[str]
    ) -> Iterator[Key]:
        for manifest in self._cache.collections_of(engine.metadata.key):
            name = _claimed_name(manifest, engine, member)
            if name is not None and name not in present:
                yield Key.of(manifest)


def _claimed_name(manifest: Manifest, engine: VectorEngine, member: Member) -> str | None:
    """Return the name of the collection that the object claims on the member; None if it claims
    none there.
    """
    claim = claim_of(manifest)
    if claim is None or (claim.engine_uid, claim.member) != (engine.metadata.uid, member.name):
        return None
    return claim.collection_name
