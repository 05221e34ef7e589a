"""Gathers who claims a VectorCollection's name, and its present or future member. Reads only."""

import asyncio
from dataclasses import dataclass, field, replace

import msgspec

from quiver.domain.addresses import leads_to
from quiver.domain.claims import claim_of
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Key, Manifest
from quiver.domain.manifests import seniority_of, uid_of
from quiver.domain.members import Member, members_of
from quiver.domain.rights import Rights
from quiver.domain.servers import Server
from quiver.ports.engines import Engines
from quiver.ports.errors import Conflict, EngineError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.admitted import AdmittedNamespaces
from quiver.reconcile.collections.assignment import chosen_member, claim_for
from quiver.reconcile.collections.gathered import Gathered, Observation
from quiver.reconcile.collections.reservations import Reservations
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities
from quiver.reconcile.logins import RefusedLogins


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What `gather` and `observe` read from, and with which rights."""

    objects: Objects
    engines: Engines
    dialling: Dialling
    identities: Identities
    reservations: Reservations
    rights: Rights = field(default_factory=Rights)
    refused_logins: RefusedLogins = field(default_factory=RefusedLogins)


async def gather(manifest: Manifest, collection: VectorCollection, sources: Sources) -> Gathered:
    """Return what the cache has, and the member with its identity.

    The cache is read last, with no await between that and the return, so that the caller can
    reserve what is free. Raises: ApiError; Conflict if a claim seemed to have lapsed, but has not.
    """
    is_watched = sources.rights.covers(collection.engine_key.namespace)
    found = Gathered(
        manifest=manifest,
        collection=collection,
        claim=claim_of(manifest),
        engine_is_watched=is_watched,
    )
    engine = sources.objects.get(VECTOR_ENGINE, collection.engine_key)
    if engine is None:
        return found
    parsed = msgspec.convert(engine, VectorEngine)
    if collection.spec.suspend:
        return replace(found, engine=parsed)
    return await _Gathering(sources, parsed).of(found)


class _Gathering:
    """Gathers for one object whose engine exists."""

    def __init__(self, sources: Sources, engine: VectorEngine) -> None:
        self._sources = sources
        self._objects = sources.objects
        self._engine = engine
        self._admitted = AdmittedNamespaces(engine, sources.objects)

    async def of(self, found: Gathered) -> Gathered:
        allowed = await self._admitted.has(found.collection.metadata.namespace)
        found = replace(found, engine=self._engine, allowed=allowed)
        if found.claim is None and not found.may_be_placed:
            return found
        found = replace(found, access=await self._sources.dialling.of(self._engine))
        if found.claim is not None:
            found = await self._on_claimed_member(found)
        if found.claim is None and found.may_be_placed:
            found = await self._on_chosen_member(found)
        return replace(found, claimants=self._claimants(found))

    async def _on_claimed_member(self, found: Gathered) -> Gathered:
        """Identify the claimed member's server. A claim on another server has lapsed."""
        claim = found.claim
        assert claim is not None
        found = self._refreshed(found)
        member = next((m for m in found.members if m.name == claim.member), None)
        found = await self._identified(replace(found, member=member))
        if found.server is not None and not found.server.is_of(claim):
            return replace(found, claim=None, lapsed=claim)
        return self._refreshed(found)

    async def _on_chosen_member(self, found: Gathered) -> Gathered:
        elders = await self._elders(found)
        found = await self._chosen(found)
        server, lapsed = found.server, found.lapsed
        if server is not None and lapsed is not None and server.is_of(lapsed):
            raise Conflict(f"{found.member_name} is the server that it was after all")
        return replace(found, elders=elders)

    async def _chosen(self, found: Gathered) -> Gathered:
        """Choose a member and identify it. The choice is made again after each answer, since the
        load may have changed meanwhile.
        """
        asked: dict[str, Gathered] = {}
        while True:
            found = self._refreshed(found)
            member = chosen_member(found)
            found = replace(found, member=member)
            if member is None or not member.ready:
                return found
            if member.address in asked:
                answer = asked[member.address]
                return replace(
                    found,
                    server=answer.server,
                    asked_at=answer.asked_at,
                    observation=answer.observation,
                    is_borrowed=answer.is_borrowed,
                )
            asked[member.address] = await self._identified(found)

    async def _identified(self, found: Gathered) -> Gathered:
        """Ask the member for its identity, if it is ready."""
        member, identities = found.member, self._sources.identities
        if member is None or not member.ready:
            return found
        asked_at = asyncio.get_running_loop().time()
        try:
            server = await identities.ask(self._engine, member)
        except EngineError as error:
            return replace(found, observation=Observation(failure=error))
        is_borrowed = member.pod is None and self._is_managed(member, server)
        return replace(found, server=server, asked_at=asked_at, is_borrowed=is_borrowed)

    def _is_managed(self, member: Member, server: Server) -> bool:
        """Tell whether an endpoint leads to a pod that Quiver manages: by the pod's address, or
        through a proxy or Service, which the server's identity shows.
        """
        if leads_to(member.address, self._objects.pod_addresses()):
            return True
        return any(self._sources.identities.elders_at(server, self._engine, managed=True))

    def _refreshed(self, found: Gathered) -> Gathered:
        """Read members and load from the cache again."""
        key = self._engine.metadata.key
        pods = (msgspec.convert(p, Pod) for p in self._objects.list(POD, key.namespace))
        members = self._sources.identities.with_disks(
            self._engine, members_of(self._engine, pods, found.access)
        )
        at_rest, own = self._objects.load_of(key), found.collection.metadata.key
        load = self._sources.reservations.added_to(at_rest, key, own)
        return replace(found, members=members, load=load, load_at_rest=at_rest)

    def _claimants(self, found: Gathered) -> tuple[Manifest, ...]:
        claimants = self._objects.claimants(found.collection.engine_key, claim_for(found))
        own = found.collection.metadata.uid
        return tuple(m for m in claimants if uid_of(m) != own)

    async def _elders(self, found: Gathered) -> tuple[Manifest, ...]:
        """Return the older objects that ask for the same name, have no claim yet, are not being
        deleted, and are of a namespace that the engine admits.
        """
        collection = found.collection
        namesakes = self._objects.namesakes(collection.engine_key, collection.collection_name)
        seniority = collection.metadata.seniority
        staying = [m for m in namesakes if "deletionTimestamp" not in m["metadata"]]
        elders = [m for m in staying if seniority_of(m) < seniority and claim_of(m) is None]
        admitted = await self._admitted.among(Key.of(m).namespace for m in elders)
        return tuple(m for m in elders if Key.of(m).namespace in admitted)
