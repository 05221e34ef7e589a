"""Damaged segments, which an engine has left out, and what is said of them."""

from collections.abc import Mapping
from typing import NamedTuple

from quiver.domain.conditions import MESSAGE_LIMIT
from quiver.domain.text import one_line

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


def damage_message(by_member: Mapping[str, DamagedSegments]) -> str:
    each = "; ".join(_told(member, by_member[member]) for member in sorted(by_member))
    total = sum(found.total for found in by_member.values())
    return one_line(f"Damaged segments: {total}. {each}.", MESSAGE_LIMIT - len(_CURE)) + _CURE


def _told(member: str, found: DamagedSegments) -> str:
    names = ", ".join(f"{name!r} {count}" for name, count in sorted(found.by_collection.items()))
    return f"{member} has {found.total}" + (f" ({names})" if names else "")
