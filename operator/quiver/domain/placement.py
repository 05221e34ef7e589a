"""Which member a new collection goes to."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from quiver.domain.members import Member


class Load(NamedTuple):
    """How many collections and partitions, counted together, an engine holds: per name of a member,
    and per namespace. `going_members` and `going_namespaces` are those among them that are being
    deleted.
    """

    members: Mapping[str, int] = {}
    namespaces: Mapping[str, int] = {}
    going_members: Mapping[str, int] = {}
    going_namespaces: Mapping[str, int] = {}


NO_LOAD = Load()


def choose_member(
    members: Iterable[Member], load: Mapping[str, int], size: int, limit: int
) -> Member | None:
    """Return the least loaded ready member that has room for `size` collections and partitions, one
    whose disk is not full if there is one.

    `limit` is how many of both together a member may hold; `_default` partitions do not count.
    """
    with_room = [
        m for m in members if m.ready and not m.leaving and load.get(m.name, 0) + size <= limit
    ]
    return min(with_room, key=lambda m: (m.is_full, load.get(m.name, 0), m.name), default=None)
