"""What is decided about a VectorEngine that is being deleted. Pure."""

from quiver.domain.conditions import Verdict
from quiver.domain.deletion import PROTECTED
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    Kind,
    Manifest,
)
from quiver.domain.possession import ENGINE_FINALIZER, is_left_behind, is_part_of
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.gather import Gathered, Held
from quiver.reconcile.engines.scaling import highest_replicas, some


def deletion_blocked(gathered: Gathered) -> Verdict | None:
    """Return the verdict while its protection or collections keep the engine; None if nothing does.

    Only claims count: an object that merely refers to the engine has nothing there. In a namespace
    that is going Kubernetes deletes the pods at once, and there is nothing left to wait for.
    """
    if gathered.is_namespace_going or ENGINE_FINALIZER not in gathered.engine.metadata.finalizers:
        return None
    if gathered.engine.spec.deletion_protection:
        return Verdict.stalled(Reason.DELETION_PROTECTED, PROTECTED)
    holding = _holding(gathered)
    if not holding:
        return None
    collections = some([str(held.collection) for held in holding])
    told = f"Not deleted yet: the engine holds collections: {collections}."
    if all(held.is_going for held in holding):
        message = f"{told} They are being deleted. The engine and its pods go once they are gone."
        return Verdict.reconciling(Reason.DELETION_BLOCKED, message)
    message = (
        f"{told} Delete these VectorCollections: the engine and its pods go once they are gone. "
        f"To give up all that is on the pods, take the finalizer {ENGINE_FINALIZER} off the engine."
    )
    return Verdict.stalled(Reason.DELETION_BLOCKED, message)


def _holding(gathered: Gathered) -> list[Held]:
    highest = highest_replicas(gathered)
    return [held for held in gathered.held if held.ordinal < highest]


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
