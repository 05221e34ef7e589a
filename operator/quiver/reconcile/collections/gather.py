"""Gather what a decision about one VectorCollection needs."""

from dataclasses import dataclass

import msgspec

from quiver.domain.claims import claim_of
from quiver.domain.collections import (
    Claim,
    ObservedCollection,
    VectorCollection,
)
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.members import Member, members_of
from quiver.domain.objects import POD, VECTOR_ENGINE, Key, Manifest
from quiver.domain.placement import choose_member
from quiver.ports.engines import Engines
from quiver.ports.errors import EngineError
from quiver.ports.kubernetes import Objects


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """One VectorCollection and all that bears on it.

    `member` holds the collection, or is to hold it; None while there is none that could.
    `observed` is what the member says of the collection, `failure` why it could not be asked.
    """

    manifest: Manifest
    collection: VectorCollection
    claim: Claim | None
    engine: VectorEngine | None
    members: tuple[Member, ...] = ()
    holder: str | None = None
    member: Member | None = None
    observed: ObservedCollection | None = None
    failure: EngineError | None = None

    @property
    def collection_name(self) -> str:
        """The collection that the object holds, or wants while it holds none."""
        return self.claim.collection_name if self.claim else self.collection.collection_name


async def gather(
    manifest: Manifest, collection: VectorCollection, objects: Objects, engines: Engines
) -> Gathered:
    claim = claim_of(manifest)
    engine = _engine_of(collection, objects)
    if engine is None:
        return Gathered(manifest=manifest, collection=collection, claim=claim, engine=None)
    pods = (msgspec.convert(p, Pod) for p in objects.list(POD, engine.metadata.namespace))
    members = members_of(engine, pods)
    key = engine.metadata.key
    member = (
        choose_member(members, objects.load_of(key), 1 + len(collection.spec.partitions))
        if claim is None
        else next((m for m in members if m.name == claim.member), None)
    )
    name = claim.collection_name if claim else collection.collection_name
    observed, failure = await _ask(member, name, engines)
    return Gathered(
        manifest=manifest,
        collection=collection,
        claim=claim,
        engine=engine,
        members=members,
        holder=_holder(collection, key, objects) if claim is None else None,
        member=member,
        observed=observed,
        failure=failure,
    )


def _engine_of(collection: VectorCollection, objects: Objects) -> VectorEngine | None:
    key = Key(collection.metadata.namespace, collection.spec.engine_ref.name)
    found = objects.get(VECTOR_ENGINE, key)
    return None if found is None else msgspec.convert(found, VectorEngine)


async def _ask(
    member: Member | None, name: str, engines: Engines
) -> tuple[ObservedCollection | None, EngineError | None]:
    if member is None or not member.ready:
        return None, None
    try:
        return await engines.at(member.address).describe(name), None
    except EngineError as error:
        return None, error


def _holder(collection: VectorCollection, engine: Key, objects: Objects) -> str | None:
    """Return the other object that has our name: the one whose claim stands or, where none has one
    yet, one that is older than ours.
    """
    uid, name = collection.metadata.uid, collection.collection_name
    others = [m for m in objects.namesakes(engine, name) if m["metadata"]["uid"] != uid]
    claimed = [m for m in others if claim_of(m) is not None]
    elders = [m for m in others if _seniority(m) < collection.metadata.seniority]
    holder = min(claimed or elders, key=_seniority, default=None)
    return None if holder is None else str(holder["metadata"]["name"])


def _seniority(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata["creationTimestamp"], metadata["uid"]
