"""The decision about a VectorCollection: the first policy that applies decides."""

from collections.abc import Callable

from quiver.ports.errors import EngineError
from quiver.reconcile.collections import deletion, present
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered

Policy = Callable[[Gathered], Decision | None]


def decide(gathered: Gathered) -> Decision:
    for policy in _policies(gathered):
        decision = policy(gathered)
        if decision is not None:
            return decision
    raise AssertionError("the last policy decides whatever is left")


def decide_after_failure(gathered: Gathered, error: EngineError) -> Decision:
    """Return the decision after a step has failed. The effects of the steps before it remain."""
    if gathered.collection.metadata.deleting:
        return deletion.failed(gathered, error)
    return present.failed(gathered, error)


def _policies(gathered: Gathered) -> tuple[Policy, ...]:
    return deletion.POLICIES if gathered.collection.metadata.deleting else present.POLICIES
