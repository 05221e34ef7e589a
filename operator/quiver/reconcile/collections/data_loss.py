"""What the object had on the engine and has lost, according to its status."""

from quiver.domain.data_loss import is_recreating
from quiver.domain.text import one_line
from quiver.reconcile.collections.gathered import Gathered

TAGS = 300
"""Characters of the tags of lost partitions that a message quotes."""


def what_is_lost(g: Gathered) -> str | None:
    """Return a sentence about what is lost and not recorded as such yet; None if nothing is."""
    if g.collection.status.origin is None or is_recreating(g.collection.status.conditions):
        return None
    what = lost_partitions(g)
    if g.observed is None:
        what = f"collection {g.collection_name!r}"
    if what is None:
        return None
    on = f"{g.member_name}, which is another server now" if g.lapsed else g.member_name
    return f"{what} was gone from {on}: its vectors are lost, unless there is a copy elsewhere."


def lost_partitions(g: Gathered) -> str | None:
    """Return words for the partitions that the object had, is to have, and has no longer, though it
    has its collection.
    """
    if g.observed is None or g.lapsed is not None:
        return None
    wanted = set(g.collection.spec.partitions) & set(g.collection.status.partitions)
    lost = sorted(wanted - g.observed.partitions)
    if not lost:
        return None
    tags = one_line(", ".join(map(repr, lost)), TAGS)
    noun = "partition" if len(lost) == 1 else f"each of {len(lost)} partitions"
    return f"{noun} of collection {g.collection_name!r} ({tags})"
