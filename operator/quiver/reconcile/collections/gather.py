"""Gather what a decision about one VectorCollection needs, and ask nobody for more."""

from dataclasses import replace

import msgspec

from quiver.domain.claims import claim_of
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.fit import GPU_MEMORY_LABEL
from quiver.domain.members import Member, members_of
from quiver.domain.objects import NAMESPACE, NODE, POD, SECRET, VECTOR_ENGINE, Key, Manifest
from quiver.domain.placement import choose_member
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import EngineError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gathered import Gathered, Report
from quiver.reconcile.collections.reservations import Reservations, Wish
from quiver.reconcile.credentials import Credentials


async def gather(
    manifest: Manifest,
    collection: VectorCollection,
    objects: Objects,
    engines: Engines,
    reservations: Reservations,
    credentials: Credentials,
) -> Gathered:
    """Ask the cache, and the member; set aside room on the member for a new collection."""
    claim = claim_of(manifest)
    found = Gathered(manifest=manifest, collection=collection, claim=claim)
    engine = objects.get(VECTOR_ENGINE, collection.engine_key)
    if engine is None or collection.spec.suspend:
        return found
    parsed = msgspec.convert(engine, VectorEngine)
    allowed = await _is_allowed(parsed, collection.metadata.namespace, objects)
    found = replace(found, engine=parsed, allowed=allowed)
    if not allowed and claim is None:
        return found
    found = replace(found, access=await credentials.of(parsed))
    if claim is None:
        found = await _newly_placed(found, objects, reservations)
    else:
        found = _placed(found, objects, reservations)
    return await _with_report(found, objects, engines)


async def _with_report(found: Gathered, objects: Objects, engines: Engines) -> Gathered:
    if found.member is not None and found.member.ready:
        report = await _ask(engines.at(found.member.address, found.member.tls), found)
        found = replace(found, report=report)
    return replace(found, secrets=await _secrets(found.collection, objects))


def _placed(found: Gathered, objects: Objects, reservations: Reservations) -> Gathered:
    engine = found.engine
    assert engine is not None
    key = engine.metadata.key
    pods = (msgspec.convert(p, Pod) for p in objects.list(POD, engine.metadata.namespace))
    members = members_of(engine, pods, found.access)
    load = reservations.added_to(objects.load_of(key), key, found.collection.metadata.key)
    found = replace(found, members=members, load=load)
    return replace(found, member=_member(found))


async def _newly_placed(found: Gathered, objects: Objects, reservations: Reservations) -> Gathered:
    """Choose a member for what has no claim yet, and set room and name aside there, unless another
    object has the name.
    """
    elders = await _welcome_elders(found, objects)
    # From here to the reservation nothing is awaited: nobody else takes room or name meanwhile.
    found = _placed(found, objects, reservations)
    wish = _wish(found)
    holder = _holder(found, objects, elders) or reservations.rival(
        found.collection.metadata.key, wish
    )
    if holder is None and found.member is not None:
        reservations.reserve(found.collection.metadata.key, wish)
    found = replace(found, holder=None if holder is None else str(holder))
    return replace(found, gpu_mib=await _gpu_mib(found, objects))


def _wish(found: Gathered) -> Wish:
    member = found.member
    return Wish(
        engine=found.collection.engine_key,
        member=found.member_name,
        is_endpoint=member is not None and member.pod is None,
        name=found.collection_name,
        size=found.size,
    )


def _member(found: Gathered) -> Member | None:
    if found.claim is None:
        return choose_member(found.members, found.load, found.size, found.limit)
    return next((m for m in found.members if m.name == found.claim.member), None)


async def _is_allowed(engine: VectorEngine, namespace: str, objects: Objects) -> bool:
    allowed = engine.spec.allowed_namespaces
    if engine.metadata.namespace == namespace or allowed.from_ == "All":
        return True
    if allowed.from_ == "Same":
        return False
    guest = await objects.fetch(NAMESPACE, Key("", namespace))
    labels = guest["metadata"].get("labels", {}) if guest else {}
    return allowed.selector.matches(labels)


async def _gpu_mib(found: Gathered, objects: Objects) -> int | None:
    """Read what GPU Feature Discovery says of the node: asked once, before anything is made."""
    member, engine = found.member, found.engine
    if member is None or member.node is None or engine is None or engine.spec.gpu is None:
        return None
    node = await objects.fetch(NODE, Key("", member.node))
    label = node["metadata"].get("labels", {}).get(GPU_MEMORY_LABEL, "") if node else ""
    return int(label) if label.isdigit() else None


async def _secrets(collection: VectorCollection, objects: Objects) -> dict[str, Manifest]:
    wanted, published = collection.spec.binding, collection.status.binding
    names = {b.secret_name for b in [wanted] if b} | {b.name for b in [published] if b}
    keys = [Key(collection.metadata.namespace, name) for name in sorted(names)]
    found = [await objects.fetch(SECRET, key) for key in keys]
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


async def _welcome_elders(found: Gathered, objects: Objects) -> list[Manifest]:
    """Return who wants our name, is older than we are, and is somebody whom the engine takes."""
    engine = found.engine
    assert engine is not None
    seniority = found.collection.metadata.seniority
    elders = [m for m in _namesakes(found, objects) if _seniority(m) < seniority]
    return [m for m in elders if await _is_allowed(engine, Key.of(m).namespace, objects)]


def _holder(found: Gathered, objects: Objects, elders: list[Manifest]) -> Key | None:
    """Return the other object that has our name: the one whose claim stands or, where none has one
    yet, the oldest.
    """
    namesakes = _namesakes(found, objects)
    claimed = [m for m in namesakes if claim_of(m) is not None] + _claimed_elsewhere(found, objects)
    holder = min(claimed or elders, key=_seniority, default=None)
    return None if holder is None else Key.of(holder)


def _namesakes(found: Gathered, objects: Objects) -> list[Manifest]:
    collection = found.collection
    namesakes = objects.namesakes(collection.engine_key, collection.collection_name)
    return [m for m in namesakes if m["metadata"]["uid"] != collection.metadata.uid]


def _claimed_elsewhere(found: Gathered, objects: Objects) -> list[Manifest]:
    """Return who holds our collection by way of another VectorEngine that lists our endpoint."""
    if found.member is None or found.member.pod is not None:
        return []
    claimants = objects.claimants(found.member.name, found.collection.collection_name)
    return [m for m in claimants if m["metadata"]["uid"] != found.collection.metadata.uid]


def _seniority(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata["creationTimestamp"], metadata["uid"]
