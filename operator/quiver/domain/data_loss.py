"""The condition DataLost: it stands from the loss of vectors until a user acknowledges the loss.

The operator writes it before it creates anew what is gone. Afterwards nothing on the engine would
show that something was lost, and an event may get lost itself.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from quiver.domain.conditions import timestamp
from quiver.domain.kubernetes_types import GROUP, Condition, Key, ObjectMeta, find_condition
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line

DATA_LOST = "DataLost"
ACKNOWLEDGING = f"{GROUP}/acknowledge-data-loss"
"""The annotation by which a user acknowledges a loss: its value is the condition's
lastTransitionTime. Another value, such as that of an earlier loss, acknowledges nothing.
"""
LOSSES = 3000
"""Characters of the message about losses, the newest first. The cure must fit the condition too."""


def with_loss(
    what: str, conditions: tuple[Condition, ...], metadata: ObjectMeta, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions with DataLost: it says that `what` is lost, beside earlier losses that
    nobody has acknowledged.
    """
    before = find_condition(conditions, DATA_LOST)
    since = _time_of_its_own(now, before, metadata)
    losses = f"At {since} {what}"
    if before is not None:
        losses += f" {before.message.removesuffix(_cure(metadata.key, before))}"
    lost = Condition(
        type=DATA_LOST,
        status="True",
        reason=Reason.RECREATING,
        last_transition_time=since,
        observed_generation=metadata.generation,
    )
    message = one_line(losses, LOSSES) + _cure(metadata.key, lost)
    others = (c for c in conditions if c.type != DATA_LOST)
    return (*others, replace(lost, message=message))


def _time_of_its_own(now: datetime, before: Condition | None, metadata: ObjectMeta) -> str:
    """Return the time of a loss. An acknowledgement of an earlier loss in the same second must not
    count for it.
    """
    taken = {metadata.annotations.get(ACKNOWLEDGING), before and before.last_transition_time}
    while timestamp(now) in taken:
        now += timedelta(seconds=1)
    return timestamp(now)


def is_recreating(conditions: tuple[Condition, ...]) -> bool:
    """Tell whether a loss is recorded, and what is lost may not be created anew yet."""
    found = find_condition(conditions, DATA_LOST)
    return found is not None and found.reason == Reason.RECREATING


def unacknowledged(
    conditions: tuple[Condition, ...], annotations: Mapping[str, str], *, converged: bool = False
) -> tuple[Condition, ...]:
    """Return DataLost as it is to stand from now on, if it does. A loss is acknowledged only once
    what is lost is created anew (`converged`).
    """
    found = find_condition(conditions, DATA_LOST)
    if found is None:
        return ()
    if converged:
        found = replace(found, reason=Reason.RECREATED)
    if found.reason == Reason.RECREATING:
        return (found,)
    is_acknowledged = annotations.get(ACKNOWLEDGING) == found.last_transition_time
    return () if is_acknowledged else (found,)


def _cure(key: Key, condition: Condition) -> str:
    at = condition.last_transition_time
    return (
        f" To acknowledge: kubectl annotate vcol --namespace={key.namespace} {key.name} "
        f"{ACKNOWLEDGING}={at} --overwrite"
    )
