"""Decisions without steps: what an object waits for, or what keeps it stalled."""

from quiver.domain.conditions import Verdict
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered


def waiting(g: Gathered, reason: Reason, message: str, *, retry: bool = False) -> Decision:
    return without_steps(g, Verdict.reconciling(reason, message), retry=retry)


def stalled(g: Gathered, reason: Reason, message: str) -> Decision:
    return without_steps(g, Verdict.stalled(reason, message))


def without_steps(g: Gathered, verdict: Verdict, *, retry: bool = False) -> Decision:
    claim = g.status_claim
    placement = g.collection.status.placement if claim is not None else None
    return Decision(verdict=verdict, retry=retry, claim=claim, placement=placement)
