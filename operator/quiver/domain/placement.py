"""Which member a new collection goes to."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from quiver.domain.members import Member


class Load(NamedTuple):
    """How many collections and partitions together are on an engine: on each member, by its name,
    and of each namespace.
    """

    members: Mapping[str, int] = {}
    namespaces: Mapping[str, int] = {}


NO_LOAD = Load()


def choose_member(
    members: Iterable[Member], load: Mapping[str, int], size: int, limit: int
) -> Member | None:
    """Return the least loaded ready member that has room for `size` collections and partitions.

    `limit` is how many of both together a member takes, `_default` left out.
    """
    with_room = [
        m for m in members if m.ready and not m.leaving and load.get(m.name, 0) + size <= limit
    ]
    return min(with_room, key=lambda m: (load.get(m.name, 0), m.name), default=None)
