"""Policies for a VectorCollection that is to exist, each named after what it finds."""

from quiver.domain.claims import is_endpoint
from quiver.domain.conditions import State, Verdict
from quiver.domain.fit import needed_mib
from quiver.domain.reasons import Reason
from quiver.domain.takes import refusals, what_is_too_new
from quiver.ports.errors import (
    DatabaseNotFound,
    EngineDiskFull,
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
    WrongEngine,
)
from quiver.reconcile.collections.adoption import name_exists_and_is_not_to_be_adopted
from quiver.reconcile.collections.converge import converge
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.differing import cure_of
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import NO_GROWTH, growth_wanted
from quiver.reconcile.collections.outcomes import stalled, waiting, without_steps
from quiver.reconcile.collections.properties import (
    collection_has_another_mark,
    database_is_missing,
)
from quiver.reconcile.collections.room import (
    namespace_has_its_share,
    no_member_has_room,
    tags_are_too_long,
)


def object_is_suspended(g: Gathered) -> Decision | None:
    if not g.collection.spec.suspend:
        return None
    message = "Quiver leaves the collection as it is while spec.suspend is true."
    return without_steps(g, Verdict(State.SUSPENDED, Reason.SUSPENDED, message))


def engine_does_not_exist(g: Gathered) -> Decision | None:
    if g.engine is not None:
        return None
    key = g.collection.engine_key
    if not g.engine_is_watched:
        return waiting(
            g,
            Reason.ENGINE_NOT_FOUND,
            f"This operator does not watch namespace {key.namespace!r}, where VectorEngine "
            f"{key.name!r} would be. Ask for the namespace to be added to those that it watches, "
            "or make this object anew with an engineRef in one of them.",
        )
    return waiting(
        g,
        Reason.ENGINE_NOT_FOUND,
        f"There is no VectorEngine {key.name!r} in namespace {key.namespace!r}. Create it, "
        f"or make this object anew with an engineRef that exists.{_what_is_left(g)}",
    )


def _what_is_left(g: Gathered) -> str:
    """Return a sentence about the volume of a pod that holds the collection."""
    claim = g.claim
    if claim is None or is_endpoint(claim.member):
        return ""
    return (
        f" The collection is on its pod {claim.member}. If the engine had spec.storage, one of "
        "that name with the same storage takes up the volumes, with all vectors. Without it they "
        "are lost."
    )


def engine_is_being_deleted(g: Gathered) -> Decision | None:
    """What is there stays until its object is deleted; nothing new comes."""
    if g.claim is not None or g.engine is None or not g.engine.metadata.deleting:
        return None
    return waiting(
        g,
        Reason.ENGINE_NOT_FOUND,
        f"VectorEngine {g.collection.engine_key} is being deleted, and takes no new collections. "
        "Make this object anew with another engineRef, or create the engine again once it is gone.",
    )


def namespace_is_not_allowed(g: Gathered) -> Decision | None:
    if g.allowed:
        return None
    return stalled(
        g,
        Reason.NAMESPACE_NOT_ALLOWED,
        f"VectorEngine {g.collection.engine_key} takes no collections of this namespace. Its owner "
        "can allow the namespace in spec.allowedNamespaces.",
    )


def name_is_taken(g: Gathered) -> Decision | None:
    if g.holder is None:
        return None
    if g.holder_is_going:
        return waiting(
            g,
            Reason.NAME_TAKEN,
            f"Collection {g.collection_name!r} belongs to VectorCollection {g.holder!r}, which is "
            "being deleted. Quiver goes on once it is gone.",
        )
    return stalled(
        g,
        Reason.NAME_TAKEN,
        f"Collection {g.collection_name!r} belongs to VectorCollection {g.holder!r}. Delete one of "
        "the two, or create this one anew with another collectionName.",
    )


def claimed_member_is_no_more(g: Gathered) -> Decision | None:
    if not g.member_is_gone:
        return None
    if g.engine_is_of_another_kind:
        return stalled(
            g,
            Reason.MEMBER_GONE,
            f"The collection is on {g.member_name}, and VectorEngine {g.collection.engine_key} is "
            "of another kind now: it was deleted and created anew. Delete this object: the "
            "collection then stays where it is.",
        )
    if g.engine is not None and g.engine.spec.external is None:
        return stalled(
            g,
            Reason.MEMBER_GONE,
            f"The collection is on pod {g.member_name}, and VectorEngine "
            f"{g.engine.metadata.name!r} was never asked for so many replicas. Raise them, or "
            "delete this object: the collection then stays where it is.",
        )
    return stalled(
        g,
        Reason.MEMBER_GONE,
        f"The collection is on endpoint {g.member_name}, which the engine no longer lists. Put "
        "the endpoint back, or delete this object: the collection then stays where it is.",
    )


def endpoint_is_borrowed(g: Gathered) -> Decision | None:
    if not g.is_borrowed:
        return None
    return stalled(
        g,
        Reason.ENDPOINT_REFUSED,
        f"Endpoint {g.member_name} leads to an engine pod that Quiver manages. Refer to the "
        "VectorEngine of that pod in engineRef instead.",
    )


def engine_does_not_take_it(g: Gathered) -> Decision | None:
    """The admission policies say so early, and may not be installed."""
    found = list(refusals(g.collection.spec, g.schema.metric_type, g.engine_there.spec))
    return stalled(g, Reason.INVALID_SPEC, " ".join(found)) if found else None


def version_is_too_old(g: Gathered) -> Decision | None:
    """What the engine said last of its version counts; it will refuse by itself until then."""
    version = g.milvus_version
    found = list(what_is_too_new(g.collection.spec, g.schema.metric_type, version))
    if not found:
        return None
    # What the collection does not have can be taken out, once it is seen.
    is_free = g.form is None or growth_wanted(g) != NO_GROWTH
    other = "take that out of the spec" if is_free else "make this object anew without that"
    return stalled(
        g,
        Reason.VERSION_TOO_OLD,
        f"The engine at {g.member_name} is Milvus {version}: {', '.join(found)}. Upgrade it, or "
        f"{other}.",
    )


def no_member_is_ready(g: Gathered) -> Decision | None:
    if g.member is not None and g.member.ready:
        return None
    is_new = g.claim is None and g.lapsed is None
    if is_new and any(m.ready and not m.leaving for m in g.members):
        return None
    return waiting(g, Reason.ENGINE_NOT_READY, _why_not_ready(g))


def segment_does_not_fit(g: Gathered) -> Decision | None:
    size, metric = g.schema.index_file_size, g.schema.metric_type
    if g.gpu_mib is None or size is None or metric is None or g.loads:
        return None
    needed = needed_mib(size, g.schema.dimension, metric, g.gpu_mib)
    if needed <= g.gpu_mib:
        return None
    return stalled(
        g,
        Reason.SEGMENT_TOO_LARGE,
        f"A segment of {size} MB needs {needed} MiB on a GPU, and those of the "
        f"engine's node have {g.gpu_mib} MiB. Make this object anew with a smaller indexFileSize, "
        "or choose an engine with larger GPUs.",
    )


def engine_does_not_answer(g: Gathered) -> Decision | None:
    return None if g.observation.failure is None else failed(g, g.observation.failure)


def collection_differs(g: Gathered) -> Decision | None:
    if not g.differences:
        return None
    return stalled(
        g,
        Reason.SPEC_DIFFERS,
        f"The collection on the engine is not what the spec says: {g.differences}. An engine "
        f"cannot change that. {cure_of(g)}",
    )


POLICIES = (
    object_is_suspended,
    engine_does_not_exist,
    namespace_is_not_allowed,
    engine_is_being_deleted,
    name_is_taken,
    claimed_member_is_no_more,
    endpoint_is_borrowed,
    engine_does_not_take_it,
    version_is_too_old,
    no_member_is_ready,
    namespace_has_its_share,
    no_member_has_room,
    segment_does_not_fit,
    engine_does_not_answer,
    database_is_missing,
    collection_has_another_mark,
    name_exists_and_is_not_to_be_adopted,
    collection_differs,
    tags_are_too_long,
    converge,
)


def failed(g: Gathered, error: EngineError) -> Decision:
    """Return the decision after a call to the engine has failed."""
    reason, message = _failure(g, error)
    if not error.retriable and not isinstance(error, DatabaseNotFound):
        return stalled(g, reason, message)
    return waiting(g, reason, message, retry=True)


def _failure(g: Gathered, error: EngineError) -> tuple[Reason, str]:
    if isinstance(error, EngineDiskFull):
        return Reason.DISK_FULL, f"The engine at {g.member_name} refused: {error}"
    if isinstance(error, DatabaseNotFound):
        return Reason.DATABASE_NOT_FOUND, f"The engine at {g.member_name} refused: {error}"
    if isinstance(error, EngineRefused):
        return Reason.ENGINE_REFUSED, f"The engine at {g.member_name} refused: {error}"
    if isinstance(error, EngineUnauthenticated):
        message = (
            f"Quiver is not let in: {error}. The owner of VectorEngine {g.collection.engine_key} "
            "can correct the login that its spec.auth names. Quiver then goes on by itself."
        )
        return Reason.CREDENTIALS_REFUSED, message
    if isinstance(error, WrongEngine):
        return Reason.ENGINE_UNREACHABLE, f"{g.member_name}: {error}. Trying again."
    message = f"The engine at {g.member_name} does not answer: {error}. Trying again."
    return Reason.ENGINE_UNREACHABLE, message


def _why_not_ready(g: Gathered) -> str:
    name = g.collection.spec.engine_ref.name
    if g.access.trouble is not None:
        return f"VectorEngine {name!r} cannot be reached: {g.access.trouble.message}"
    if g.member is not None and g.member.refusal is not None:
        return f"Endpoint {g.member.name} cannot be used: {g.member.refusal.message}"
    if g.claim is not None:
        kind = "Endpoint" if ":" in g.claim.member else "Pod"
        return (
            f"{kind} {g.claim.member} of VectorEngine {name!r} holds the collection, and is not "
            "ready."
        )
    condition = g.engine.ready_condition if g.engine else None
    why = f": {condition.message}" if condition is not None and condition.message else "."
    return f"VectorEngine {name!r} has no ready member{why}"
