"""The condition PodsOutdated: pods of an engine keep an earlier template than its latest."""

from datetime import datetime
from typing import NamedTuple

from quiver.domain.conditions import MESSAGE_LIMIT, timestamp
from quiver.domain.engines import EngineStatus
from quiver.domain.kubernetes_types import GROUP, Condition, find_condition
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line

PODS_OUTDATED = "PodsOutdated"
UPGRADE_ANNOTATION = f"{GROUP}/upgrade"
"""Of a VectorEngine: the id of an upgrade, whose pods may now be replaced."""


_REASONS = (Reason.UPGRADE_WAITING, Reason.ROLLOUT_STOPPED)


class OutdatedPods(NamedTuple):
    """Why pods of an engine keep an earlier template. `upgrade` is the id of an upgrade that waits
    for its start; None if nothing but a pod is waited for.
    """

    reason: Reason
    message: str
    upgrade: str | None = None


def standing(status: EngineStatus) -> OutdatedPods | None:
    """Return what the status says already."""
    found = find_condition(status.conditions, PODS_OUTDATED)
    reason = next((r for r in _REASONS if found is not None and found.reason == r), None)
    if found is None or reason is None:
        return None
    return OutdatedPods(reason, found.message, status.pending_upgrade)


def outdated_condition(
    found: OutdatedPods | None,
    previous: tuple[Condition, ...],
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Return the condition, if there is something to say."""
    if found is None:
        return ()
    before = find_condition(previous, PODS_OUTDATED)
    since = before.last_transition_time if before is not None else None
    condition = Condition(
        type=PODS_OUTDATED,
        status="True",
        reason=found.reason,
        message=one_line(found.message, MESSAGE_LIMIT),
        last_transition_time=since or timestamp(now),
        observed_generation=generation,
    )
    return (condition,)
