"""Which member a new collection goes to."""

from collections.abc import Iterable, Mapping

from quiver.domain.members import Member

MAX_COLLECTIONS_AND_PARTITIONS = 4096
"""Per member; Milvus' documents count collections and partitions together, `_default` left out."""


def choose_member(members: Iterable[Member], load: Mapping[str, int], size: int) -> Member | None:
    """Return the least loaded ready member that has room for `size` collections and partitions."""
    with_room = [
        m
        for m in members
        if m.ready
        and not m.leaving
        and load.get(m.name, 0) + size <= MAX_COLLECTIONS_AND_PARTITIONS
    ]
    return min(with_room, key=lambda m: (load.get(m.name, 0), m.name), default=None)
