"""Checks that the members of all engines still have the collections that are claimed on them."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator

import msgspec

from quiver.control.cache.cache import Cache
from quiver.domain.claims import claim_of
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Key
from quiver.domain.members import Member, members_of
from quiver.domain.servers import Server
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineRefused, EngineUnreachable, PortError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities
from quiver.reconcile.result import Result

log = logging.getLogger(__name__)

MEMBERS_AT_ONCE = 2
"""Members of one engine that are asked at the same time."""
JITTER = 0.2


class PresenceRounds:
    """Enqueues each engine for a presence check once per period, beginning at once: only then does
    the operator know which servers are its own pods.
    """

    def __init__(
        self,
        cache: Cache,
        add_engine: Callable[[Key], None],
        period: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`period` is in seconds. `uniform` varies it by up to a fifth either way."""
        self._cache = cache
        self._add_engine = add_engine
        self._period = period
        self._uniform = uniform

    async def run(self) -> None:
        """Run rounds until cancelled. A round does not wait for the checks of the one before."""
        while True:
            for engine in self._cache.all(VECTOR_ENGINE):
                self._add_engine(Key.of(engine))
            await asyncio.sleep(self._period * self._uniform(1 - JITTER, 1 + JITTER))


class PresenceChecks:
    """Implements `quiver.reconcile.result.Reconciler`: asks each ready member of an engine for its
    collections, and enqueues the objects of missing ones.
    """

    def __init__(
        self,
        cache: Cache,
        engines: Engines,
        dialling: Dialling,
        identities: Identities,
        add_collection: Callable[[Key], None],
        objects: Objects,
    ) -> None:
        self._cache = cache
        self._objects = objects
        self._engines = engines
        self._dialling = dialling
        self._identities = identities
        self._add_collection = add_collection

    async def reconcile(self, key: Key) -> Result:
        """Check all members once. The next round is the next try of a check that fails."""
        manifest = self._cache.get(VECTOR_ENGINE, key)
        if manifest is None:
            return Result.DONE
        try:
            engine = msgspec.convert(manifest, VectorEngine)
            members = self._ready_members(engine)
        except msgspec.ValidationError:
            return Result.DONE  # the engine's own reconcile reports that in its status
        turns = asyncio.Semaphore(MEMBERS_AT_ONCE)
        async with asyncio.TaskGroup() as checks:
            for member in members:
                checks.create_task(self._check(engine, member, turns))
        return Result.DONE

    def _ready_members(self, engine: VectorEngine) -> list[Member]:
        access = self._dialling.known(engine)
        if access is None:
            return []  # the engine's own reconcile, which is enqueued, reads it first
        pods = self._cache.list(POD, engine.metadata.namespace)
        found = members_of(engine, (msgspec.convert(pod, Pod) for pod in pods), access)
        return [member for member in found if member.ready]

    async def _check(self, engine: VectorEngine, member: Member, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                server = await self._identities.ask(engine, member)
                present = await self._list(engine, member, server)
                await self._forget_retained(engine, server, present)
                self._enqueue_missing(engine, member, present)
            except EngineUnreachable as error:
                # The breaker has said so once. There may be thousands of such members.
                log.debug("engine %s, %s: %s", engine.metadata.key, member.name, error)
            except PortError as error:
                log.warning("engine %s, %s: %s", engine.metadata.key, member.name, error)
            except Exception:
                # A bug with one member must not end the checks of all others.
                log.exception("engine %s, %s: this is a bug", engine.metadata.key, member.name)

    async def _list(self, engine: VectorEngine, member: Member, server: Server) -> frozenset[str]:
        """Raises: EngineError. The engine's next reconcile reports a refusal in its status."""
        try:
            present = await self._engines.at(member.target(server.instance)).list_collections()
        except EngineRefused as error:
            self._identities.note_listing(engine, member, error)
            raise
        self._identities.note_listing(engine, member, None)
        return present

    def _enqueue_missing(
        self, engine: VectorEngine, member: Member, present: frozenset[str]
    ) -> None:
        missing = list(self._missing(engine, member, present))
        if missing:
            log.info(
                "engine %s, %s: collections are missing, enqueued: %d",
                engine.metadata.key,
                member.name,
                len(missing),
            )
        for key in missing:
            self._add_collection(key)

    async def _forget_retained(
        self, engine: VectorEngine, server: Server, present: frozenset[str]
    ) -> None:
        """Remove retained collections that the server no longer has from the engine's status."""
        if server.instance is None and server.address is None:
            return  # all pods of the engine have one identity
        if engine.status.contended_by is not None:
            return  # another operator checks the engine too, and only one of the two may write
        places = {f"{server.identity}/{name}" for name in present}
        known = [k for k in engine.status.retained if k.startswith(f"{server.identity}/")]
        gone = {key: None for key in known if key not in places}
        if gone:
            meta = engine.metadata
            await self._objects.merge_status(VECTOR_ENGINE, meta.key, meta.uid, {"retained": gone})

    def _missing(
        self, engine: VectorEngine, member: Member, present: frozenset[str]
    ) -> Iterator[Key]:
        for manifest in self._cache.collections_of(engine.metadata.key):
            claim = claim_of(manifest)
            is_here = claim is not None and claim.member == member.name
            if claim is not None and is_here and claim.collection_name not in present:
                yield Key.of(manifest)
