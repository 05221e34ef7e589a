"""Policies for a VectorCollection that is to exist, each named after what it finds."""

from quiver.domain.conditions import State, Verdict
from quiver.domain.fit import needed_mib
from quiver.domain.reasons import Reason
from quiver.ports.errors import EngineRefused
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.settling import settle

TRANSIENT_CODES = frozenset({"UNEXPECTED_ERROR", "OUT_OF_MEMORY", "META_FAILED", "CACHE_FAILED"})
"""What an engine may answer now and not later; any other refusal stands until the spec changes."""


def object_is_suspended(g: Gathered) -> Decision | None:
    if not g.collection.spec.suspend:
        return None
    message = "Quiver leaves the collection as it is while spec.suspend is true."
    return _undone(g, Verdict(State.SUSPENDED, Reason.SUSPENDED, message))


def engine_does_not_exist(g: Gathered) -> Decision | None:
    if g.engine is not None:
        return None
    key = g.collection.engine_key
    return _waiting(
        g,
        Reason.ENGINE_NOT_FOUND,
        f"There is no VectorEngine {key.name!r} in namespace {key.namespace!r}. Create it, "
        "or make this object anew with an engineRef that exists.",
    )


def namespace_is_not_allowed(g: Gathered) -> Decision | None:
    if g.allowed:
        return None
    return _stalled(
        g,
        Reason.NAMESPACE_NOT_ALLOWED,
        f"VectorEngine {g.collection.engine_key} takes no collections of this namespace. Whoever "
        "runs it can allow that in its spec.allowedNamespaces.",
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
    if not g.member_is_gone:
        return None
    return _stalled(
        g,
        Reason.MEMBER_GONE,
        f"The collection is on endpoint {g.member_name}, which the engine no longer lists. Put "
        "the endpoint back, or delete this object: the collection then stays where it is.",
    )


def no_member_is_ready(g: Gathered) -> Decision | None:
    if g.member is not None and g.member.ready:
        return None
    if g.claim is None and any(m.ready and not m.leaving for m in g.members):
        return None
    return _waiting(g, Reason.ENGINE_NOT_READY, _why_not_ready(g))


def no_member_has_room(g: Gathered) -> Decision | None:
    if g.member is not None and not _grows_beyond_the_limit(g):
        return None
    return _stalled(
        g,
        Reason.QUOTA_EXCEEDED,
        f"Each member of the engine holds up to {g.limit} collections and partitions, and there is "
        f"no room for the {g.size} of this object. Add replicas, or delete some; Quiver then goes "
        "on by itself.",
    )


def segment_does_not_fit(g: Gathered) -> Decision | None:
    if g.gpu_mib is None:
        return None
    spec = g.collection.spec
    needed = needed_mib(spec.index_file_size, spec.dimension, spec.metric_type, g.gpu_mib)
    if needed <= g.gpu_mib:
        return None
    return _stalled(
        g,
        Reason.SEGMENT_TOO_LARGE,
        f"A segment of {spec.index_file_size} MB needs {needed} MiB on a GPU, and those of the "
        f"engine's node have {g.gpu_mib} MiB. Make this object anew with a smaller indexFileSize, "
        "or choose an engine with larger GPUs.",
    )


def engine_does_not_answer(g: Gathered) -> Decision | None:
    return None if g.report.failure is None else failed(g, g.report.failure)


def name_exists_and_is_not_to_be_adopted(g: Gathered) -> Decision | None:
    if g.claim is not None or g.observed is None:
        return None
    if g.collection.spec.adoption_policy == "IfIdentical":
        return _adoption_fails(g)
    return _stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine already has a collection {g.collection.collection_name!r} that Quiver did not "
        "create, and leaves it alone. Choose another collectionName, drop it on the engine, or set "
        "adoptionPolicy to IfIdentical.",
    )


def collection_differs(g: Gathered) -> Decision | None:
    differences = _differences(g)
    if not differences:
        return None
    return _stalled(
        g,
        Reason.SPEC_DIFFERS,
        f"The collection on the engine is not what the spec says: {differences}. An engine cannot "
        "change that. Make a VectorCollection of another name, or put the spec back.",
    )


POLICIES = (
    object_is_suspended,
    engine_does_not_exist,
    namespace_is_not_allowed,
    name_is_taken,
    claimed_member_is_no_more,
    no_member_is_ready,
    no_member_has_room,
    segment_does_not_fit,
    engine_does_not_answer,
    name_exists_and_is_not_to_be_adopted,
    collection_differs,
    settle,
)


def failed(g: Gathered, error: Exception) -> Decision:
    """What holds when the engine did not do what it was asked to."""
    if isinstance(error, EngineRefused):
        message = f"The engine at {g.member_name} refused: {error}"
        if error.code not in TRANSIENT_CODES:
            return _stalled(g, Reason.ENGINE_REFUSED, message)
        return _waiting(g, Reason.ENGINE_REFUSED, message, retry=True)
    message = f"The engine at {g.member_name} does not answer: {error}. Trying again."
    return _waiting(g, Reason.ENGINE_UNREACHABLE, message, retry=True)


def _adoption_fails(g: Gathered) -> Decision | None:
    differences = _differences(g)
    if not differences:
        return None
    return _stalled(
        g,
        Reason.ALREADY_EXISTS,
        f"The engine's collection {g.collection.collection_name!r} is not adopted, since it is not "
        f"what the spec says: {differences}. Make this object anew with these values, or with "
        "another collectionName.",
    )


def _differences(g: Gathered) -> str:
    if g.observed is None:
        return ""
    return ", ".join(g.collection.schema.differences(g.observed.schema))


def _grows_beyond_the_limit(g: Gathered) -> bool:
    """Tell whether new partitions of a placed collection would be more than its member takes.

    What it had before is not new: a collection that is gone may come back as it was.
    """
    if g.claim is None:
        return False
    had = g.observed.partitions if g.observed else frozenset(g.collection.status.partitions)
    new = len(set(g.collection.spec.partitions) - had)
    return new > 0 and g.load.get(g.claim.member, 0) > g.limit


def _waiting(g: Gathered, reason: Reason, message: str, *, retry: bool = False) -> Decision:
    return _undone(g, Verdict.reconciling(reason, message), retry=retry)


def _stalled(g: Gathered, reason: Reason, message: str) -> Decision:
    return _undone(g, Verdict.stalled(reason, message))


def _undone(g: Gathered, verdict: Verdict, *, retry: bool = False) -> Decision:
    placement = g.collection.status.placement if g.claim is not None else None
    return Decision(verdict=verdict, retry=retry, claim=g.claim, placement=placement)


def _why_not_ready(g: Gathered) -> str:
    name = g.collection.spec.engine_ref.name
    if g.access.trouble is not None:
        return f"VectorEngine {name!r} cannot be reached: {g.access.trouble.message}"
    if g.claim is not None:
        return (
            f"Pod {g.claim.member} of VectorEngine {name!r} holds the collection, and is not ready."
        )
    condition = g.engine.ready_condition if g.engine else None
    told = f": {condition.message}" if condition is not None and condition.message else "."
    return f"VectorEngine {name!r} has no ready member{told}"
