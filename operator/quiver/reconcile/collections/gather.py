"""Gather what a decision about one VectorCollection needs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from quiver.domain.claims import claim_of
from quiver.domain.collections import (
    Claim,
    ObservedCollection,
    VectorCollection,
    default_collection_name,
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
    others = _Others.on(engine.metadata.key, collection, objects)
    member = (
        choose_member(members, others.load, 1 + len(collection.spec.partitions))
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
        holder=others.holder if claim is None else None,
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


@dataclass(frozen=True)
class _Others:
    """The other VectorCollections of an engine: how they load its members, and who has our name."""

    load: Mapping[str, int]
    holder: str | None

    @classmethod
    def on(cls, engine: Key, collection: VectorCollection, objects: Objects) -> "_Others":
        load: Counter[str] = Counter()
        namesakes: list[tuple[bool, tuple[str, str], str]] = []
        for manifest in objects.collections_of(engine):
            metadata, spec = manifest["metadata"], manifest["spec"]
            if metadata["uid"] == collection.metadata.uid:
                continue
            claim = claim_of(manifest)
            if claim is not None:
                load[claim.member] += 1 + len(spec.get("partitions", ()))
            name = spec.get("collectionName") or default_collection_name(metadata["name"])
            if name == collection.collection_name:
                seniority = (metadata["creationTimestamp"], metadata["uid"])
                namesakes.append((claim is None, seniority, metadata["name"]))
        return cls(load, _holder(namesakes, collection))


def _holder(
    namesakes: list[tuple[bool, tuple[str, str], str]], collection: VectorCollection
) -> str | None:
    """Return the object whose claim stands or, where none has one yet, that is older than ours."""
    if not namesakes:
        return None
    unclaimed, seniority, name = min(namesakes)
    if unclaimed and seniority > collection.metadata.seniority:
        return None
    return name
