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
from quiver.reconcile.collections.reservations import Reservations


async def gather(
    manifest: Manifest,
    collection: VectorCollection,
    objects: Objects,
    engines: Engines,
    reservations: Reservations,
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
    return await _with_member(_placed(found, objects, reservations), objects, engines)


async def _with_member(found: Gathered, objects: Objects, engines: Engines) -> Gathered:
    if found.claim is None:
        holder, gpu_mib = await _holder(found, objects), await _gpu_mib(found, objects)
        found = replace(found, holder=holder, gpu_mib=gpu_mib)
    if found.member is not None and found.member.ready:
        report = await _ask(engines.at(found.member.address), found)
        found = replace(found, report=report)
    return replace(found, secrets=await _secrets(found.collection, objects))


def _placed(found: Gathered, objects: Objects, reservations: Reservations) -> Gathered:
    engine = found.engine
    assert engine is not None
    key = engine.metadata.key
    pods = (msgspec.convert(p, Pod) for p in objects.list(POD, engine.metadata.namespace))
    members = members_of(engine, pods)
    load = reservations.added_to(objects.load_of(key), key)
    found = replace(found, members=members, load=load)
    member = _member(found)
    if member is not None and found.claim is None:
        reservations.reserve(found.collection.metadata.key, key, member.name, found.size)
    return replace(found, member=member)


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


async def _holder(found: Gathered, objects: Objects) -> str | None:
    """Return the other object that has our name: the one whose claim stands or, where none has one
    yet, one that is older than ours and that the engine takes.
    """
    collection, engine = found.collection, found.engine
    assert engine is not None
    namesakes = objects.namesakes(engine.metadata.key, collection.collection_name)
    others = [m for m in namesakes if m["metadata"]["uid"] != collection.metadata.uid]
    claimed = [m for m in others if claim_of(m) is not None] + _claimed_elsewhere(found, objects)
    elders = [m for m in others if _seniority(m) < collection.metadata.seniority]
    welcome = [m for m in elders if await _is_allowed(engine, Key.of(m).namespace, objects)]
    holder = min(claimed or welcome, key=_seniority, default=None)
    return None if holder is None else str(Key.of(holder))


def _claimed_elsewhere(found: Gathered, objects: Objects) -> list[Manifest]:
    """Return who holds our collection by way of another VectorEngine that lists our endpoint."""
    if found.member is None or found.member.pod is not None:
        return []
    claimants = objects.claimants(found.member.name, found.collection.collection_name)
    return [m for m in claimants if m["metadata"]["uid"] != found.collection.metadata.uid]


def _seniority(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata["creationTimestamp"], metadata["uid"]
