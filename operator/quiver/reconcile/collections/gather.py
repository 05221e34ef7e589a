"""Gather what a decision about one VectorCollection needs, and ask nobody for more."""

import asyncio
from dataclasses import dataclass, replace

import msgspec

from quiver.domain.addresses import leads_to
from quiver.domain.claims import claim_of, places_of
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.members import Member, members_of
from quiver.domain.objects import NAMESPACE, POD, SECRET, VECTOR_ENGINE, Key, Manifest
from quiver.domain.servers import Server
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import EngineError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gathered import Gathered, Report
from quiver.reconcile.collections.ownership import claim_for, may_be_claimed, rival_claimant
from quiver.reconcile.collections.placing import Placing
from quiver.reconcile.collections.reservations import Reservations, Wish
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where it is gathered from."""

    objects: Objects
    engines: Engines
    dialling: Dialling
    identities: Identities
    reservations: Reservations


async def gather(manifest: Manifest, collection: VectorCollection, sources: Sources) -> Gathered:
    """Ask the cache, and the member; set aside room on the member for a new collection."""
    found = Gathered(manifest=manifest, collection=collection, claim=claim_of(manifest))
    engine = sources.objects.get(VECTOR_ENGINE, collection.engine_key)
    if engine is None:
        return found
    parsed = msgspec.convert(engine, VectorEngine)
    if collection.spec.suspend:
        return replace(found, engine=parsed)
    return await _Gathering(sources, parsed).of(found)


class _Gathering:
    """Gathers for one object, whose engine exists."""

    def __init__(self, sources: Sources, engine: VectorEngine) -> None:
        self._sources = sources
        self._objects = sources.objects
        self._engine = engine

    async def of(self, found: Gathered) -> Gathered:
        collection = found.collection
        allowed = await self._is_allowed(collection.metadata.namespace)
        found = replace(found, engine=self._engine, allowed=allowed)
        may_be_placed = allowed and not collection.metadata.deleting
        if found.claim is None and not may_be_placed:
            return found
        found = replace(found, access=await self._sources.dialling.of(self._engine))
        if found.claim is not None:
            found = await self._on_claimed_member(found)
        if found.claim is None and may_be_placed:
            placing = Placing(self._objects, self._sources.reservations, self._identified)
            found = await placing.of(found, self._refreshed, self._is_allowed)
        return await self._with_elders(await self._with_report(found))

    async def _with_elders(self, found: Gathered) -> Gathered:
        """Find out whose the server is, where somebody wants to adopt what is on it."""
        adopts = found.collection.spec.adoption_policy == "IfIdentical" and found.claim is None
        server = found.server
        if not adopts or found.observed is None or server is None or server.address is None:
            return found
        identities, dialling = self._sources.identities, self._sources.dialling
        elders = identities.elders_at(server, self._engine, managed=False)
        is_elders = any(e.namespace != self._engine.metadata.namespace for e in elders)
        is_elders = is_elders or may_be_claimed(found, self._objects)
        if not is_elders:
            is_elders = await dialling.has_elder_at(self._engine, server.address)
        return replace(found, is_elders=is_elders)

    async def _on_claimed_member(self, found: Gathered) -> Gathered:
        """Find out whether the claim is of the server that is there now, and of nobody else's."""
        claim = found.claim
        assert claim is not None
        found = self._refreshed(found)
        member = next((m for m in found.members if m.name == claim.member), None)
        found = await self._identified(replace(found, member=member))
        if found.server is None:
            return found
        if not found.server.is_of(claim):
            return replace(found, claim=None, lapsed=claim)
        # Nothing is awaited from here to the reservation: see Placing.
        found = self._refreshed(found)
        self._reserve_growth(found)
        return replace(found, holder=rival_claimant(found, self._objects))

    def _reserve_growth(self, found: Gathered) -> None:
        if not found.growth or not found.grows_within_limits:
            return
        key = found.collection.engine_key
        places = places_of(claim_for(found), key)
        wish = Wish(key, found.member_name, places, found.growth)
        self._sources.reservations.reserve(found.collection.metadata.key, wish)

    async def _identified(self, found: Gathered) -> Gathered:
        """Ask the member who it is, if it can be asked."""
        member, identities = found.member, self._sources.identities
        if member is None or not member.ready:
            return found
        asked_at = asyncio.get_running_loop().time()
        try:
            server = await identities.ask(self._engine, member)
        except EngineError as error:
            return replace(found, report=Report(failure=error))
        is_borrowed = member.pod is None and self._is_managed(member, server)
        return replace(found, server=server, asked_at=asked_at, is_borrowed=is_borrowed)

    def _is_managed(self, member: Member, server: Server) -> bool:
        """Tell whether an endpoint leads to a pod of Quiver's, by its address or in another way."""
        if leads_to(member.address, self._objects.pod_addresses()):
            return True
        return any(self._sources.identities.elders_at(server, self._engine, managed=True))

    def _refreshed(self, found: Gathered) -> Gathered:
        key = self._engine.metadata.key
        pods = (msgspec.convert(p, Pod) for p in self._objects.list(POD, key.namespace))
        members = members_of(self._engine, pods, found.access)
        load, own = self._objects.load_of(key), found.collection.metadata.key
        load = self._sources.reservations.added_to(load, key, own)
        return replace(found, members=members, load=load)

    async def _is_allowed(self, namespace: str) -> bool:
        allowed = self._engine.spec.allowed_namespaces
        if self._engine.metadata.namespace == namespace or allowed.from_ == "All":
            return True
        if allowed.from_ == "Same":
            return False
        guest = await self._objects.fetch(NAMESPACE, Key("", namespace))
        labels = guest["metadata"].get("labels", {}) if guest else {}
        return allowed.selector.matches(labels)

    async def _with_report(self, found: Gathered) -> Gathered:
        is_left = found.lapsed is not None and found.collection.metadata.deleting
        if found.server is not None and not found.is_borrowed and not is_left:
            client = self._sources.engines.at(found.target)
            found = replace(found, report=await _ask(client, found))
        return replace(found, secrets=await self._secrets(found.collection))

    async def _secrets(self, collection: VectorCollection) -> dict[str, Manifest]:
        wanted, published = collection.spec.binding, collection.status.binding
        names = {b.secret_name for b in [wanted] if b} | {b.name for b in [published] if b}
        keys = [Key(collection.metadata.namespace, name) for name in sorted(names)]
        found = [await self._objects.fetch(SECRET, key) for key in keys]
        return {secret["metadata"]["name"]: secret for secret in found if secret is not None}


async def _ask(client: EngineClient, found: Gathered) -> Report:
    try:
        return await _told(client, found)
    except EngineError as error:
        return Report(failure=error)


async def _told(client: EngineClient, found: Gathered) -> Report:
    name, collection = found.collection_name, found.collection
    observed = await client.describe(name)
    if observed is None:
        return Report()
    report = Report(collection=observed)
    if collection.metadata.deleting:
        if found.claim is not None and found.deletion_policy == "DeleteIfEmpty":
            return replace(report, rows=await client.count_rows(name))
        return report
    if collection.spec.index is not None or collection.status.index is not None:
        report = replace(report, index=await client.describe_index(name))
    if found.deletion_policy == "DeleteIfEmpty":
        unlisted = set(collection.status.partitions) - set(collection.spec.partitions)
        tags = sorted(unlisted & observed.partitions)
        counts = {tag: await client.count_rows(name, tag) for tag in tags}
        report = replace(report, partition_rows=counts)
    return report
