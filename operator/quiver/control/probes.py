"""Asking the members of all engines whether they still have what is claimed on them."""

import asyncio
import logging
from collections.abc import Callable, Iterator

import msgspec

from quiver.control.cache import Cache
from quiver.domain.claims import claim_of
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.members import Member, members_of
from quiver.domain.objects import POD, VECTOR_ENGINE, Key, Manifest
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError
from quiver.reconcile.credentials import Credentials

log = logging.getLogger(__name__)

PROBES = 16
"""Members asked at the same time."""


class Probes:
    """One call to each ready member; a collection that it should have and has not is queued."""

    def __init__(
        self,
        cache: Cache,
        engines: Engines,
        credentials: Credentials,
        add_collection: Callable[[Key], None],
    ) -> None:
        self._cache = cache
        self._engines = engines
        self._credentials = credentials
        self._add_collection = add_collection

    async def once(self) -> None:
        """Do one round."""
        turns = asyncio.Semaphore(PROBES)
        async with asyncio.TaskGroup() as probes:
            for engine, member in list(self._ready_members()):
                probes.create_task(self._probe(engine, member, turns))

    def _ready_members(self) -> Iterator[tuple[VectorEngine, Member]]:
        for manifest in self._cache.all(VECTOR_ENGINE):
            pods = self._cache.list(POD, manifest["metadata"]["namespace"])
            try:
                engine = msgspec.convert(manifest, VectorEngine)
                access = self._credentials.known(engine)
                if access is None:
                    continue  # its own reconcile, which comes, reads them
                members = members_of(engine, (msgspec.convert(pod, Pod) for pod in pods), access)
            except msgspec.ValidationError:
                continue  # its own reconcile says so in its status
            yield from ((engine, member) for member in members if member.ready)

    async def _probe(self, engine: VectorEngine, member: Member, turns: asyncio.Semaphore) -> None:
        async with turns:
            try:
                present = await self._engines.at(member.address, member.tls).list_collections()
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
            self._add_collection(key)

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
