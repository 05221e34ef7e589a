"""The last policy for a collection that is to exist: make it match the spec."""

from dataclasses import replace

from quiver.domain.claims import has_finalizer, has_status_claim, retained_as
from quiver.domain.collections import Binding, Claim, Placement
from quiver.domain.conditions import Verdict
from quiver.domain.kubernetes_types import VECTOR_COLLECTION
from quiver.domain.manifests import is_about_to_go
from quiver.domain.reasons import Reason
from quiver.ports.kubernetes import Event
from quiver.reconcile.collections.assignment import claim_for
from quiver.reconcile.collections.binding import binding_steps, foreign_secret, is_blocked
from quiver.reconcile.collections.data_loss import lost_partitions, what_is_lost
from quiver.reconcile.collections.decision import (
    CreateCollection,
    CreatePartition,
    Decision,
    DropPartition,
    KeepFinalizer,
    NoteRetained,
    PublishEvent,
    RecordClaim,
    RecordLoss,
    ReplaceClaim,
    Step,
)
from quiver.reconcile.collections.field_indexing import (
    field_index_steps,
    indexes_after,
    while_field_indexes_are_not_built,
)
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growing import (
    description_steps,
    function_steps,
    growth_steps,
    storage_steps,
    while_schema_cannot_grow,
)
from quiver.reconcile.collections.indexing import index_steps, while_index_is_not_built
from quiver.reconcile.collections.loading import (
    load_after,
    load_steps,
    release_steps,
    while_not_loaded,
    while_released,
)
from quiver.reconcile.collections.properties import (
    database_steps,
    properties_after,
    properties_wanted,
    property_steps,
    while_properties_stay,
)


def converge(g: Gathered) -> Decision:
    """Claim the collection if it has no claim; create or adopt it; then converge its partitions,
    fields, indexes and binding.
    """
    assert g.member is not None, "the policies before this one leave nothing else"
    placement = Placement(endpoint=g.member.endpoint, pod=g.member.pod)
    claim = claim_for(g)
    steps = [
        *_claim_steps(g, claim),
        *_loss_steps(g),
        *database_steps(g),
        *_collection_steps(g),
        *_partition_steps(g),
        *growth_steps(g),
        *release_steps(g),
        *storage_steps(g),
        *property_steps(g),
        *index_steps(g),
        *field_index_steps(g),
    ]
    steps += load_steps(g, steps)
    steps += [*description_steps(g), *function_steps(g)]
    steps += [] if is_blocked(g) else binding_steps(g, placement)
    decision = Decision(
        verdict=Verdict.ready(f"Collection {claim.collection_name!r} is on {claim.member}."),
        steps=tuple(steps),
        converged=True,
        kept_partitions=tuple(_unlisted_with_rows(g)),
        retained_partitions=_retained(g),
        claim=claim,
        placement=placement,
        schema=g.schema,
        load=load_after(g, steps),
        properties=properties_after(g),
        indexes=indexes_after(g),
        binding=_binding(g),
    )
    return (
        _while_secrets_are_forbidden(g, decision)
        or _while_secret_is_foreign(g, decision)
        or while_index_is_not_built(g, decision)
        or while_field_indexes_are_not_built(g, decision)
        or while_not_loaded(g, decision)
        or _while_partitions_hold_rows(g, decision)
        or while_schema_cannot_grow(g, decision)
        or while_properties_stay(g, decision)
        or while_released(g, decision)
        or decision
    )


def _binding(g: Gathered) -> Binding | None:
    wanted = g.collection.spec.binding
    if is_blocked(g):
        return g.collection.status.binding
    return Binding(name=wanted.secret_name) if wanted else None


def _claim_steps(g: Gathered, claim: Claim) -> list[Step]:
    """Write claim and finalizer before anything is created. A change to an existing claim is
    written with the status, after all steps.
    """
    finalizer: list[Step] = [] if has_finalizer(g.manifest) else [KeepFinalizer()]
    taken_up: list[Step] = []
    if g.engine is not None and retained_as(claim) in g.engine.status.retained:
        taken_up = [NoteRetained(claim, None)]
    if g.claim is not None:
        return [*finalizer, *taken_up]
    if has_status_claim(g.manifest):
        return [*finalizer, ReplaceClaim(claim), *taken_up]
    return [RecordClaim(claim), *taken_up]


def _loss_steps(g: Gathered) -> list[Step]:
    what = what_is_lost(g)
    return [] if what is None else [RecordLoss(what)]


def _collection_steps(g: Gathered) -> list[Step]:
    if g.observed is None:
        return [CreateCollection(g.schema, properties_wanted(g)), PublishEvent(_created(g))]
    if g.claim is None:
        note = f"Adopted collection {g.collection_name!r}, which was there already."
        return [PublishEvent(Event("Normal", "Adopted", "Adopt", note))]
    return []


def _partition_steps(g: Gathered) -> list[Step]:
    wanted = g.collection.spec.partitions
    found = g.observed.partitions if g.observed else frozenset()
    steps: list[Step] = [CreatePartition(tag) for tag in wanted if tag not in found]
    if lost := lost_partitions(g):
        steps.append(PublishEvent(_recreated(lost)))
    for tag in g.collection.status.partitions:
        if tag in found and tag not in wanted and _may_go(g, tag):
            note = f"Dropped partition {tag!r}, which the spec no longer lists."
            steps += [
                DropPartition(tag),
                PublishEvent(Event("Normal", "PartitionDropped", "Drop", note)),
            ]
    return steps


def _retained(g: Gathered) -> tuple[str, ...]:
    """Return the partitions that the object once had and that remain on the engine."""
    status, found = g.collection.status, g.observed.partitions if g.observed else frozenset()
    retained = set(status.retained_partitions or ())
    if g.deletion_policy == "Retain":
        retained |= set(status.partitions)
    return tuple(sorted(retained & found - set(g.collection.spec.partitions)))


def _may_go(g: Gathered, tag: str) -> bool:
    if g.deletion_policy == "DeleteIfEmpty":
        return g.observation.partition_rows.get(tag) == 0
    return g.deletion_policy == "Delete"


def _while_secrets_are_forbidden(g: Gathered, decision: Decision) -> Decision | None:
    """Stall, but converge the collection, and keep the Secret that was published before."""
    if g.secrets_refusal is None:
        return None
    return replace(decision, verdict=Verdict.stalled(Reason.SECRET_FORBIDDEN, g.secrets_refusal))


def _while_secret_is_foreign(g: Gathered, decision: Decision) -> Decision | None:
    """Stall, or wait for a Secret that goes. But converge the collection, and keep the Secret that
    was published before.
    """
    found = foreign_secret(g)
    if found is None:
        return None
    name = found["metadata"]["name"]
    if is_about_to_go(found, VECTOR_COLLECTION, g.collection.metadata):
        message = (
            f"The Secret {name!r} of an earlier VectorCollection is still there. Kubernetes removes"
            " it. The collection itself is as the spec says."
        )
        verdict = Verdict.reconciling(Reason.BINDING_CONFLICT, message)
        return replace(decision, verdict=verdict, retry=True)
    message = (
        f"A Secret {name!r} that is not this object's exists, and is left alone. Remove it, or "
        "choose another binding.secretName. The collection itself is as the spec says."
    )
    return replace(decision, verdict=Verdict.stalled(Reason.BINDING_CONFLICT, message))


def _while_partitions_hold_rows(g: Gathered, decision: Decision) -> Decision | None:
    held = _unlisted_with_rows(g)
    if not held:
        return None
    counts = ", ".join(f"{tag!r} with {rows} vectors" for tag, rows in held.items())
    message = (
        f"Partitions that the spec no longer lists are kept, since they are not empty: {counts}. "
        "Delete their vectors, put them back on the list, or set deletionPolicy to Delete."
    )
    verdict = Verdict.reconciling(Reason.NOT_EMPTY, message)
    return replace(decision, verdict=verdict, retry=True)


def _unlisted_with_rows(g: Gathered) -> dict[str, int]:
    """Return the partitions that the spec no longer lists and that hold vectors."""
    return {tag: rows for tag, rows in sorted(g.observation.partition_rows.items()) if rows}


def _created(g: Gathered) -> Event:
    name = g.collection.collection_name
    if g.collection.status.origin is None:
        return Event("Normal", "Created", "Create", f"Created collection {name!r}.")
    return _recreated(f"Collection {name!r}")


def _recreated(what: str) -> Event:
    note = (
        f"{what} was gone from the engine and has been created anew, empty: the vectors in it are "
        "lost, unless there is a copy elsewhere."
    )
    return Event("Warning", "Recreated", "Create", note)
