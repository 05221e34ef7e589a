"""The condition DataDamaged: engines have left damaged segments out."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from quiver.domain.conditions import MESSAGE_LIMIT, timestamp
from quiver.domain.kubernetes_types import Condition, find_condition
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line

DATA_DAMAGED = "DataDamaged"
_CURE = (
    " Searches do not find their vectors. The log of the engine names the files: restore them from "
    "a backup, or drop what they belong to and insert the vectors again."
)


class DamagedSegments(NamedTuple):
    """How many segments an engine has left out since they are damaged, in all and by collection. Of
    many collections it names some.
    """

    total: int
    by_collection: Mapping[str, int]


NO_DAMAGE = DamagedSegments(0, {})


class Damage(NamedTuple):
    """What the members that answered say, by their names, without those that have no damage.
    `complete` tells whether all members have answered.
    """

    by_member: Mapping[str, DamagedSegments]
    complete: bool


UNKNOWN = Damage({}, complete=False)


def damage_condition(
    damage: Damage, previous: tuple[Condition, ...], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the condition if there is damage, or if a silent member may have it still."""
    before = find_condition(previous, DATA_DAMAGED)
    if not damage.by_member:
        return () if damage.complete or before is None else (before,)
    since = before.last_transition_time if before is not None else None
    found = Condition(
        type=DATA_DAMAGED,
        status="True",
        reason=Reason.SEGMENTS_DAMAGED,
        message=_message(damage.by_member),
        last_transition_time=since or timestamp(now),
        observed_generation=generation,
    )
    return (found,)


def _message(by_member: Mapping[str, DamagedSegments]) -> str:
    each = "; ".join(_told(member, by_member[member]) for member in sorted(by_member))
    total = sum(found.total for found in by_member.values())
    return one_line(f"Damaged segments: {total}. {each}.", MESSAGE_LIMIT - len(_CURE)) + _CURE


def _told(member: str, found: DamagedSegments) -> str:
    names = ", ".join(f"{name!r} {count}" for name, count in sorted(found.by_collection.items()))
    return f"{member} has {found.total}" + (f" ({names})" if names else "")
