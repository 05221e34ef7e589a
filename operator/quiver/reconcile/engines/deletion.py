"""What is decided about a VectorEngine that is being deleted. Pure."""

from quiver.domain.conditions import Verdict
from quiver.domain.deletion import PROTECTED
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    Condition,
    Kind,
    Manifest,
    find_condition,
)
from quiver.domain.possession import ENGINE_FINALIZER, is_left_behind, is_part_of
from quiver.domain.reasons import Reason
from quiver.ports.kubernetes import Event
from quiver.reconcile.engines.gather import Gathered, Held
from quiver.reconcile.engines.scaling import highest_replicas, some

_WORDS = {
    True: (" and its pods go", "give up all that is on the pods"),
    False: (" goes", "leave all that is on its servers"),
}
"""What else goes, and what else there is to do, by whether the engine has pods."""


def deletion_blocked(gathered: Gathered) -> Verdict | None:
    """Return the verdict while its protection or collections keep the engine; None if nothing does.

    Only claims count: an object that merely refers to the engine has nothing there.
    """
    engine = gathered.engine
    if ENGINE_FINALIZER not in engine.metadata.finalizers:
        return None
    if engine.spec.deletion_protection and not gathered.is_namespace_going:
        return Verdict.stalled(Reason.DELETION_PROTECTED, PROTECTED)
    holding = _dropped_with_namespace(gathered) if gathered.is_namespace_going else _held(gathered)
    if not holding:
        return None
    collections = some([str(held.collection) for held in holding])
    told = f"Not deleted yet: the engine holds collections: {collections}."
    what, instead = _WORDS[engine.spec.external is None]
    if all(held.is_going for held in holding):
        message = f"{told} They are being deleted. The engine{what} once they are gone."
        return Verdict.reconciling(Reason.DELETION_BLOCKED, message)
    message = (
        f"{told} Delete these VectorCollections: the engine{what} once they are gone. To {instead},"
        f" take the finalizer {ENGINE_FINALIZER} off the engine."
    )
    return Verdict.stalled(Reason.DELETION_BLOCKED, message)


def begins_to_wait(verdict: Verdict, before: tuple[Condition, ...]) -> Event | None:
    """Return the event of an engine that waits for collections, and said something else before."""
    said = find_condition(before, "Ready")
    is_told = said is not None and said.reason == Reason.DELETION_BLOCKED
    if verdict.reason != Reason.DELETION_BLOCKED or is_told:
        return None
    return Event("Normal", "DeletionBlocked", "Delete", verdict.message)


def _held(gathered: Gathered) -> list[Held]:
    """Return the collections on members that the engine has, or had: a claim may name any pod."""
    if gathered.engine.spec.external is not None:
        return list(gathered.held)
    highest = highest_replicas(gathered)
    return [held for held in gathered.held if held.ordinal < highest]


def _dropped_with_namespace(gathered: Gathered) -> list[Held]:
    """Return the collections that the engine waits for in a namespace that is going. Kubernetes
    deletes pods at once, but servers of others answer still. What cannot be dropped from them does
    not have the namespace hang.
    """
    engine = gathered.engine
    if engine.spec.external is None:
        return []
    own = [h for h in gathered.held if h.collection.namespace == engine.metadata.namespace]
    return [held for held in own if not held.is_stuck]


def own_parts(gathered: Gathered) -> tuple[tuple[Kind, Manifest], ...]:
    """Return what there is of the engine, the StatefulSet first: what guards pods goes last."""
    uid = gathered.engine.metadata.uid
    return tuple((k, live) for k, live in _found(gathered) if is_part_of(live, uid))


def left_parts(gathered: Gathered) -> tuple[tuple[Kind, Manifest], ...]:
    """Return what an earlier engine of the name has left, which was let go past its finalizer."""
    uid = gathered.engine.metadata.uid
    found = _found(gathered)
    return tuple((k, m) for k, m in found if is_left_behind(m) and not is_part_of(m, uid))


def _found(gathered: Gathered) -> list[tuple[Kind, Manifest]]:
    found = (
        (STATEFUL_SET, gathered.stateful_set),
        (SERVICE, gathered.service),
        (NETWORK_POLICY, gathered.network_policy),
        (POD_DISRUPTION_BUDGET, gathered.disruption_budget),
    )
    return [(kind, live) for kind, live in found if live is not None]
