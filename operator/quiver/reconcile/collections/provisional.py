"""Tells whether a decision rests on room that other reconciles have reserved.

They give it back if they do not claim it. A reason that comes and goes with the reconciles that
happen to run at the same time would keep a status from ever coming to rest.
"""

from dataclasses import replace

from quiver.domain.kubernetes_types import find_condition
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.assignment import chosen_member
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered


def is_provisional(g: Gathered, decision: Decision) -> bool:
    """Tell whether the decision may be another once reservations are given back."""
    if not g.may_be_placed or g.load == g.load_at_rest:
        return False
    at_rest = replace(g, load=g.load_at_rest)
    if g.claim is not None or g.lapsed is not None:
        lacks_room = at_rest.grows_within_limits and not g.grows_within_limits
        return lacks_room and not decision.converged
    if decision.converged and not _has_found_its_name(g):
        return False  # collections that are created at once are spread over the members
    chosen = chosen_member(at_rest)
    return chosen is not None and (g.member is None or g.member.name != chosen.name)


def has_reported(g: Gathered) -> bool:
    """Tell whether the status is of the object's present spec."""
    metadata, status = g.collection.metadata, g.collection.status
    return status.observed_generation == metadata.generation


def _has_found_its_name(g: Gathered) -> bool:
    """Tell whether the status says that the member has a collection of that name already. Another
    member may have none, but which of them is chosen must not depend on chance.
    """
    ready = find_condition(g.collection.status.conditions, "Ready")
    return ready is not None and ready.reason == Reason.ALREADY_EXISTS and has_reported(g)
