"""Policies for a VectorCollection that is being deleted, each named after what it finds.

No policy gives up: while the collection should be dropped but cannot be, the object waits, and its
conditions say why.
"""

from quiver.domain.claims import (
    FINALIZER,
    other_finalizers,
    reserved_partitions_of,
    retained_as,
)
from quiver.domain.collections import OWNER_PROPERTY
from quiver.domain.conditions import State, Verdict
from quiver.domain.deletion import PROTECTED
from quiver.domain.kubernetes_types import COLLECTIONS_CRD
from quiver.domain.reasons import Reason
from quiver.domain.servers import is_of_another_engine
from quiver.domain.text import one_line
from quiver.ports.errors import (
    EngineDiskFull,
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
)
from quiver.ports.kubernetes import Event
from quiver.reconcile.collections.decision import (
    Decision,
    DropCollection,
    NoteRetained,
    PublishEvent,
    RecordRelease,
    Release,
    Step,
)
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.released import recorded_release, released

ALIASES = 300
"""Characters of the names of aliases that a message quotes."""


def finalizer_is_gone(g: Gathered) -> Decision | None:
    if FINALIZER in g.collection.metadata.finalizers:
        return None
    what = "Quiver has no finalizer on it, and leaves what it may have on an engine."
    return _proceed(g, released(what), *steps_for_what_stays(g))


def nothing_was_claimed(g: Gathered) -> Decision | None:
    if g.claim is not None or g.lapsed is not None:
        return None
    return _release(g, "It had no collection.")


def object_is_protected(g: Gathered) -> Decision | None:
    """The API server refuses such a deletion, but for a namespace that goes, or a CRD; or its
    policy is not installed. Nobody has decided about the vectors.
    """
    if not g.collection.spec.deletion_protection:
        return None
    if g.is_namespace_going:
        why = "spec.deletionProtection is true, and its namespace is being deleted"
        return _retain(g, "Warning", why)
    if g.is_crd_deleted:
        return crd_is_being_deleted(g)
    return _proceed(g, Verdict.stalled(Reason.DELETION_PROTECTED, PROTECTED))


def collection_is_to_be_retained(g: Gathered) -> Decision | None:
    if g.deletion_policy != "Retain":
        return None
    if g.collection.spec.deletion_policy is None:
        return _retain(g, "Normal", "Retain is the default for it")
    return _retain(g, "Normal", "deletionPolicy is Retain")


def crd_is_being_deleted(g: Gathered) -> Decision | None:
    """Nobody has decided about this collection: whoever deletes the CustomResourceDefinition, by a
    slip or to install another, deletes the objects of all namespaces.
    """
    if not g.is_crd_deleted:
        return None
    why = (
        f"CustomResourceDefinition {COLLECTIONS_CRD.name} is being deleted, and with it all objects"
    )
    return _retain(g, "Warning", why)


def object_is_suspended(g: Gathered) -> Decision | None:
    return _retain(g, "Warning", "spec.suspend is true") if g.collection.spec.suspend else None


def engine_is_not_watched(g: Gathered) -> Decision | None:
    if g.engine_is_watched:
        return None
    key = g.collection.engine_key
    why = (
        f"this operator does not watch namespace {key.namespace!r}, where VectorEngine "
        f"{key.name!r} is"
    )
    return _waiting(g, Reason.ENGINE_NOT_FOUND, why, "Ask for the namespace to be added")


def engine_is_gone(g: Gathered) -> Decision | None:
    return _retain(g, "Normal", "its VectorEngine is gone") if g.engine is None else None


def engine_is_another(g: Gathered) -> Decision | None:
    """The VectorEngine was deleted and another was created under its name. Nothing of it will ever
    be the server of the claim, so there is nothing to wait for.
    """
    name = g.collection.engine_key.name
    if g.engine_is_of_another_kind:
        why = f"it is on {_claimed(g)}, and VectorEngine {name!r} is of another kind now"
        return _retain(g, "Warning", why)
    if _is_of_another_engine(g):
        why = f"VectorEngine {name!r} is another object than the one that it was made on"
        return _retain(g, "Warning", why)
    return None


def claimed_member_is_gone(g: Gathered) -> Decision | None:
    if not g.member_is_gone:
        return None
    if ":" in _claimed(g):
        return _retain(g, "Warning", f"the engine no longer lists its endpoint {_claimed(g)}")
    return _retain(g, "Warning", f"its engine was never asked for pod {_claimed(g)}")


def member_is_not_ready(g: Gathered) -> Decision | None:
    if g.member is not None and g.member.ready:
        return None
    if g.access.trouble is not None:
        why = f"{_claimed(g)} cannot be reached. {g.access.trouble.message.rstrip('.')}"
        return _waiting(g, Reason.ENGINE_NOT_READY, why)
    if g.member is not None and g.member.refusal is not None:
        why = f"{_claimed(g)} cannot be used. {g.member.refusal.message.rstrip('.')}"
        return _waiting(g, Reason.ENGINE_NOT_READY, why)
    return _waiting(g, Reason.ENGINE_NOT_READY, f"{_claimed(g)} is not ready")


def engine_does_not_answer(g: Gathered) -> Decision | None:
    return None if g.observation.failure is None else failed(g, g.observation.failure)


def claim_is_unproven(g: Gathered) -> Decision | None:
    """The previous release trusted claims that tenants may have written. Such a claim counts only
    if the engine admits the namespace.
    """
    if g.claim is None or g.claim.server is not None or g.allowed:
        return None
    return _retain(
        g, "Warning", "the engine does not admit its namespace, and who made it is unknown"
    )


def server_is_another(g: Gathered) -> Decision | None:
    if g.lapsed is None:
        return None
    return _retain(g, "Warning", f"{_claimed(g)} is another server than the one it was made on")


def endpoint_is_borrowed(g: Gathered) -> Decision | None:
    if not g.is_borrowed:
        return None
    return _retain(g, "Warning", f"{_claimed(g)} leads to an engine pod that Quiver manages")


def collection_is_somebody_elses(g: Gathered) -> Decision | None:
    if g.holder is None:
        return None
    return _retain(g, "Warning", f"VectorCollection {g.holder!r} has it too")


def collection_is_gone(g: Gathered) -> Decision | None:
    if g.observed is not None:
        return None
    return _release(g, f"Collection {g.collection_name!r} was gone already.")


def collection_is_another(g: Gathered) -> Decision | None:
    if not g.differences:
        return None
    return _retain(g, "Warning", f"it is not the one that this object describes ({g.differences})")


def collection_has_another_mark(g: Gathered) -> Decision | None:
    if g.foreign_mark is None:
        return None
    whose = f"VectorCollection {g.marked_by!r}" if g.marked_by else "an object of another cluster"
    return _retain(g, "Warning", f"its property {OWNER_PROPERTY} is the mark of {whose}")


def collection_is_aliased(g: Gathered) -> Decision | None:
    """Milvus drops such a collection all the same, and clients that use the alias lose it."""
    aliases = sorted(g.observed.aliases) if g.observed is not None else []
    if not aliases:
        return None
    names = one_line(", ".join(map(repr, aliases)), ALIASES)
    if len(aliases) == 1:
        why, cure = f"alias {names} leads to it", "Drop the alias, or have it lead elsewhere"
    else:
        why = f"{len(aliases)} aliases lead to it ({names})"
        cure = "Drop them, or have them lead elsewhere"
    return _waiting(g, Reason.ALIASED, why, cure)


def collection_is_not_empty(g: Gathered) -> Decision | None:
    if g.deletion_policy != "DeleteIfEmpty" or not g.observation.rows:
        return None
    why = f"deletionPolicy is DeleteIfEmpty, and it holds {g.observation.rows} vectors"
    return _waiting(g, Reason.NOT_EMPTY, why, "Delete them, or set deletionPolicy to Delete")


def collection_exists(g: Gathered) -> Decision | None:
    name = g.collection_name
    note = f"Dropped collection {name!r} and its vectors."
    dropped = Event("Normal", "Dropped", "Drop", note)
    return _release(g, note, DropCollection(name), PublishEvent(dropped))


POLICIES = (
    finalizer_is_gone,
    nothing_was_claimed,
    object_is_protected,
    object_is_suspended,
    collection_is_to_be_retained,
    crd_is_being_deleted,
    engine_is_not_watched,
    engine_is_gone,
    engine_is_another,
    claimed_member_is_gone,
    member_is_not_ready,
    engine_does_not_answer,
    claim_is_unproven,
    server_is_another,
    endpoint_is_borrowed,
    collection_is_somebody_elses,
    collection_is_gone,
    collection_is_another,
    collection_has_another_mark,
    collection_is_aliased,
    collection_is_not_empty,
    collection_exists,
)


def failed(g: Gathered, error: EngineError) -> Decision:
    """Return the decision after a call to the engine has failed.

    The call is retried even if a user has to change something on the engine first, since no event
    reports such a change.
    """
    reason = Reason.ENGINE_UNREACHABLE
    if isinstance(error, EngineRefused):
        is_full = isinstance(error, EngineDiskFull)
        reason = Reason.DISK_FULL if is_full else Reason.ENGINE_REFUSED
    if isinstance(error, EngineUnauthenticated):
        reason = Reason.CREDENTIALS_REFUSED
    state = State.RECONCILING if error.retriable else State.STALLED
    return _waiting(g, reason, f"{_claimed(g)} did not drop it: {error}", state=state)


def _proceed(g: Gathered, verdict: Verdict, *steps: Step) -> Decision:
    placement = g.collection.status.placement
    return Decision(verdict=verdict, steps=steps, claim=g.status_claim, placement=placement)


def _release(g: Gathered, what: str, *steps: Step) -> Decision:
    """Let the object go after the steps. If it goes at once, nobody reads in its status `what`
    became of its collection.
    """
    verdict = released(what)
    is_said = recorded_release(g.collection) is not None or not other_finalizers(g.collection)
    record = [] if is_said else [RecordRelease(verdict)]
    return _proceed(g, verdict, *steps, *record, Release())


def _retain(g: Gathered, type_: str, why: str) -> Decision:
    note = f"Left collection {g.collection_name!r} where it is: {why}."
    event = Event("Warning" if type_ == "Warning" else "Normal", "Left", "Release", note)
    return _release(g, note, *record_steps(g), PublishEvent(event))


def steps_for_what_stays(g: Gathered) -> list[Step]:
    """Return the steps for the collection of an object that goes without a release by Quiver."""
    is_gone = g.server is not None and g.observation.failure is None and g.observed is None
    return [] if g.claimants or is_gone else record_steps(g)


def record_steps(g: Gathered) -> list[Step]:
    """Record on the engine which other namespace retained the collection, since that namespace may
    adopt it again.
    """
    if g.claim is None or g.claim.server is None or g.engine is None or g.holder is not None:
        return []
    if g.engine_is_of_another_kind or _is_of_another_engine(g):
        return []  # the engine will never see that the collection is gone
    listed, reserved = g.collection.status.partitions_there, reserved_partitions_of(g.manifest)
    size = 1 + max(len(listed), reserved)
    owner = f"{g.collection.metadata.namespace}/{size}"
    noted = g.engine.status.retained.get(retained_as(g.claim))
    if noted == owner or (noted is None and not g.is_guest):
        return []
    return [NoteRetained(g.claim, owner)]


def _is_of_another_engine(g: Gathered) -> bool:
    return g.claim is not None and is_of_another_engine(g.claim, g.engine_there.metadata.uid)


def _waiting(
    g: Gathered,
    reason: Reason,
    why: str,
    cure: str = "Trying again",
    state: State = State.RECONCILING,
) -> Decision:
    message = (
        f"The collection cannot be dropped yet: {why}. {cure}. To let the object go and leave the "
        "collection, set deletionPolicy to Retain."
    )
    return Decision(
        verdict=Verdict(state, reason, message),
        retry=True,
        claim=g.status_claim,
        placement=g.collection.status.placement,
    )


def _claimed(g: Gathered) -> str:
    claim = g.claim or g.lapsed
    return claim.member if claim is not None else "the engine"
