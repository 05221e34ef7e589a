"""Asks members which server they are, each time before a reconcile changes anything there, and
keeps what else placement has to know of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from quiver.domain.addresses import place_of
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Key, ObjectMeta
from quiver.domain.members import Member
from quiver.domain.servers import Server
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineRefused


class _Seen(NamedTuple):
    """What the members of an engine last reported, by the members' names: their identities, why
    they did not list their collections, and whether their disks are full.
    """

    engine: ObjectMeta
    is_managed: bool
    servers: dict[str, str]
    refusals: dict[str, EngineRefused]
    full: dict[str, bool]

    def forget_all_but(self, members: Collection[str]) -> None:
        for known in (self.servers, self.refusals, self.full):
            for gone in known.keys() - set(members):
                known.pop(gone)


class Identities:
    """Asks members which server they are, and remembers their last answers."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._seen: dict[Key, _Seen] = {}

    async def ask(self, engine: VectorEngine, member: Member) -> Server:
        """Return the server that is behind the member now. Raises: EngineError."""
        instance = await self._engines.at(member.target()).instance()
        is_pod = member.pod is not None
        place = None if is_pod else place_of(member.address)
        server = Server(engine.metadata.uid, instance, place)
        seen = self._seen.get(engine.metadata.key)
        if seen is None or seen.engine.uid != engine.metadata.uid:
            seen = self._seen[engine.metadata.key] = _Seen(engine.metadata, is_pod, {}, {}, {})
        seen.servers[member.name] = server.identity
        if engine.spec.external is not None:
            seen.forget_all_but(engine.spec.external.endpoints)
        return server

    def elders_at(
        self, server: Server, engine: VectorEngine, *, managed: bool
    ) -> Iterator[ObjectMeta]:
        """Yield the older VectorEngines, managed or external ones, whose members last reported this
        server.

        Younger ones do not count: a server can make up its answer, and a new VectorEngine must not
        block an older one by it.
        """
        for seen in self._seen.values():
            is_older = seen.engine.seniority < engine.metadata.seniority
            if seen.is_managed is managed and is_older and server.identity in seen.servers.values():
                yield seen.engine

    def note_listing(
        self, engine: VectorEngine, member: Member, refusal: EngineRefused | None
    ) -> None:
        """Record why the member, which was asked who it is before, refused to list its collections;
        None if it has listed them.
        """
        seen = self._current(engine)
        if seen is None:
            return
        seen.refusals.pop(member.name, None)
        if refusal is not None:
            seen.refusals[member.name] = refusal

    def refusals_of(self, engine: VectorEngine) -> Mapping[str, EngineRefused]:
        """Return why members of the engine last refused to list their collections, by name."""
        seen = self._current(engine)
        return {} if seen is None else dict(seen.refusals)

    def note_disks(self, engine: VectorEngine, full: Mapping[str, bool]) -> None:
        """Record of members, by name, that were asked who they are before, whether their disks are
        full.
        """
        seen = self._current(engine)
        if seen is not None:
            seen.full.update(full)

    def with_disks(self, engine: VectorEngine, members: Iterable[Member]) -> tuple[Member, ...]:
        """Return the members with what is known of their disks."""
        seen = self._current(engine)
        full = {} if seen is None else seen.full
        return tuple(m._replace(is_full=full.get(m.name, False)) for m in members)

    def _current(self, engine: VectorEngine) -> _Seen | None:
        seen = self._seen.get(engine.metadata.key)
        return seen if seen is not None and seen.engine.uid == engine.metadata.uid else None

    def engines_at(self, identity: str) -> list[Key]:
        """Return the VectorEngines of which a member last reported this identity."""
        seen = self._seen.items()
        return [key for key, found in seen if identity in found.servers.values()]

    def forget(self, engine: Key) -> None:
        self._seen.pop(engine, None)
