"""Policies for a VectorCollection that is to exist, each named after what it finds."""

from quiver.domain.claims import is_recorded
from quiver.domain.collections import Claim, Placement
from quiver.domain.conditions import Verdict
from quiver.domain.placement import MAX_COLLECTIONS_AND_PARTITIONS
from quiver.domain.reasons import Reason
from quiver.ports.errors import EngineRefused
from quiver.ports.kubernetes import Event
from quiver.reconcile.collections.decision import (
    CreateCollection,
    CreatePartition,
    Decision,
    DropPartition,
    RecordClaim,
    Step,
    Tell,
)
from quiver.reconcile.collections.gather import Gathered

TRANSIENT_CODES = frozenset({"UNEXPECTED_ERROR", "OUT_OF_MEMORY", "META_FAILED", "CACHE_FAILED"})
"""What an engine may answer now and not later; any other refusal stands until the spec changes."""


def engine_does_not_exist(g: Gathered) -> Decision | None:
    if g.engine is not None:
        return None
    name = g.collection.spec.engine_ref.name
    return _waiting(
        g,
        Reason.ENGINE_NOT_FOUND,
        f"There is no VectorEngine {name!r} in this namespace. Create it, "
        "or make this object anew with an engineRef that exists.",
    )


def name_is_taken(g: Gathered) -> Decision | None:
    if g.holder is None:
        return None
    return _stalled(
        g,
        Reason.NAME_TAKEN,
        f"Collection {g.collection.collection_name!r} of this engine belongs to VectorCollection "
        f"{g.holder!r}. Delete one of the two, or choose another collectionName.",
    )


def claimed_member_is_no_more(g: Gathered) -> Decision | None:
    if not member_is_no_more(g):
        return None
    return _stalled(
        g,
        Reason.MEMBER_GONE,
        f"The collection is on endpoint {_member_name(g)}, which the engine no longer lists. Put "
        "the endpoint back, or delete this object: the collection then stays where it is.",
    )


def no_member_is_ready(g: Gathered) -> Decision | None:
    if g.member is not None and g.member.ready:
        return None
    if g.claim is None and any(m.ready and not m.leaving for m in g.members):
        return None
    return _waiting(g, Reason.ENGINE_NOT_READY, _why_not_ready(g))


def every_member_is_full(g: Gathered) -> Decision | None:
    if g.member is not None:
        return None
    return _waiting(
        g,
        Reason.ENGINE_FULL,
        f"Each member of the engine holds up to {MAX_COLLECTIONS_AND_PARTITIONS} collections and "
        "partitions, and none has room for this one. Add replicas, or delete some.",
    )


def engine_does_not_answer(g: Gathered) -> Decision | None:
    return None if g.failure is None else failed(g, g.failure)


def name_exists_without_our_claim(g: Gathered) -> Decision | None:
    if g.claim is not None or g.observed is None:
        return None
    return _stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine already has a collection {g.collection.collection_name!r} that Quiver did not "
        "create, and leaves it alone. Choose another collectionName, or drop it on the engine.",
    )


def collection_differs(g: Gathered) -> Decision | None:
    if g.observed is None:
        return None
    differences = ", ".join(g.collection.schema.differences(g.observed.schema))
    if not differences:
        return None
    return _stalled(
        g,
        Reason.SPEC_DIFFERS,
        f"The collection on the engine is not what the spec says: {differences}. An engine cannot "
        "change that. Make a VectorCollection of another name, or put the spec back.",
    )


def collection_is_missing(g: Gathered) -> Decision | None:
    if g.observed is not None:
        return None
    steps: list[Step] = [CreateCollection(g.collection.schema)]
    steps += [CreatePartition(tag) for tag in g.collection.spec.partitions]
    return _in_place(g, [*steps, Tell(_created(g))])


def collection_exists(g: Gathered) -> Decision | None:
    assert g.observed is not None, "the policies before this one leave nothing else"
    wanted, found = g.collection.spec.partitions, g.observed.partitions
    steps: list[Step] = [CreatePartition(tag) for tag in wanted if tag not in found]
    if g.collection.spec.deletion_policy == "Delete":
        unwanted = [t for t in g.collection.status.partitions if t in found and t not in wanted]
        for tag in unwanted:
            note = f"Dropped partition {tag!r}, which the spec no longer lists."
            steps += [DropPartition(tag), Tell(Event("Normal", "PartitionDropped", "Drop", note))]
    return _in_place(g, steps)


POLICIES = (
    engine_does_not_exist,
    name_is_taken,
    claimed_member_is_no_more,
    no_member_is_ready,
    every_member_is_full,
    engine_does_not_answer,
    name_exists_without_our_claim,
    collection_differs,
    collection_is_missing,
    collection_exists,
)


def failed(g: Gathered, error: Exception) -> Decision:
    """What holds when the engine did not do what it was asked to."""
    if isinstance(error, EngineRefused):
        message = f"The engine at {_member_name(g)} refused: {error}"
        if error.code not in TRANSIENT_CODES:
            return _stalled(g, Reason.ENGINE_REFUSED, message)
        return _waiting(g, Reason.ENGINE_REFUSED, message, retry=True)
    message = f"The engine at {_member_name(g)} does not answer: {error}. Trying again."
    return _waiting(g, Reason.ENGINE_UNREACHABLE, message, retry=True)


def member_is_no_more(g: Gathered) -> bool:
    """Tell whether the claim names an endpoint that an external engine no longer lists."""
    external = g.engine is not None and g.engine.spec.external is not None
    return external and g.claim is not None and g.member is None


def _in_place(g: Gathered, steps: list[Step]) -> Decision:
    assert g.member is not None
    assert g.engine is not None
    claim = Claim(
        object_uid=g.collection.metadata.uid,
        engine_uid=g.engine.metadata.uid,
        member=g.member.name,
        collection_name=g.collection.collection_name,
    )
    record = () if is_recorded(g.manifest, claim) else (RecordClaim(claim),)
    return Decision(
        verdict=Verdict.ready(f"Collection {claim.collection_name!r} is on {claim.member}."),
        steps=(*record, *steps),
        claim=claim,
        placement=Placement(endpoint=g.member.endpoint, pod=g.member.pod),
    )


def _created(g: Gathered) -> Event:
    name = g.collection.collection_name
    if g.collection.status.origin is None:
        return Event("Normal", "Created", "Create", f"Created collection {name!r}.")
    note = (
        f"Collection {name!r} was gone from the engine and has been created anew, empty: the "
        "vectors it held are lost, unless there is a copy elsewhere."
    )
    return Event("Warning", "Recreated", "Create", note)


def _waiting(g: Gathered, reason: Reason, message: str, *, retry: bool = False) -> Decision:
    return _undone(g, Verdict.reconciling(reason, message), retry=retry)


def _stalled(g: Gathered, reason: Reason, message: str) -> Decision:
    return _undone(g, Verdict.stalled(reason, message))


def _undone(g: Gathered, verdict: Verdict, *, retry: bool = False) -> Decision:
    placement = g.collection.status.placement if g.claim is not None else None
    return Decision(verdict=verdict, retry=retry, claim=g.claim, placement=placement)


def _why_not_ready(g: Gathered) -> str:
    assert g.engine is not None
    name = g.engine.metadata.name
    if g.claim is not None:
        return (
            f"Pod {g.claim.member} of VectorEngine {name!r} holds the collection, and is not ready."
        )
    condition = g.engine.ready_condition
    told = f": {condition.message}" if condition is not None and condition.message else "."
    return f"VectorEngine {name!r} has no ready member{told}"


def _member_name(g: Gathered) -> str:
    if g.member is not None:
        return g.member.name
    return g.claim.member if g.claim is not None else g.collection.spec.engine_ref.name
