"""Policies for a collection that is to exist and finds no room: on a member, in the share of its
namespace, or in its own object.
"""

from quiver.domain.collections import PARTITION_BYTES
from quiver.domain.members import names_of_members
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.outcomes import stalled, waiting


def namespace_has_its_share(g: Gathered) -> Decision | None:
    if g.has_share or g.share is None or not _asks_for_more(g):
        return None
    going = g.load.going_namespaces.get(g.collection.metadata.namespace, 0)
    return _while_full(
        g,
        f"Each other namespace may have {g.share} collections and partitions on VectorEngine "
        f"{g.collection.engine_key} (limits.maxPerNamespace), and there is no room for the "
        f"{g.asked_for} that this object asks for.",
        "Delete some; Quiver then goes on by itself.",
        room_comes=g.used_of_share - going + g.asked_for <= g.share,
    )


def no_member_has_room(g: Gathered) -> Decision | None:
    if g.member is not None and (g.grows_within_limits or not _asks_for_more(g)):
        return None
    away = _away_with_room(g)
    if away is not None:
        return waiting(
            g,
            Reason.QUOTA_EXCEEDED,
            f"The members of VectorEngine {g.collection.engine_key} that are ready have no room "
            f"for the {g.asked_for} collections and partitions that this object asks for. {away} "
            "may have it once it is ready.",
        )
    return _while_full(
        g,
        f"Each member of the engine holds up to {g.limit} collections and partitions, and there is "
        f"no room for the {g.asked_for} that this object asks for.",
        "Add replicas, or delete some; Quiver then goes on by itself.",
        room_comes=_room_comes(g),
    )


def tags_are_too_long(g: Gathered) -> Decision | None:
    """Tags that were taken off and retained stay in the status, which must not outgrow the object.
    The CRD bounds the spec alone, and a looser one may be installed.
    """
    tags = set(g.collection.spec.partitions) | g.collection.status.partitions_there
    size = sum(len(tag.encode()) for tag in tags)
    if size <= 2 * PARTITION_BYTES:
        return None
    return stalled(
        g,
        Reason.QUOTA_EXCEEDED,
        f"The tags in spec.partitions, and those that were retained, have {size} bytes together. "
        f"Quiver keeps up to {2 * PARTITION_BYTES} in an object. Shorten the tags, or set "
        "deletionPolicy to Delete and take off those that are not needed.",
    )


def _while_full(g: Gathered, why: str, cure: str, *, room_comes: bool) -> Decision:
    if not room_comes:
        return stalled(g, Reason.QUOTA_EXCEEDED, f"{why} {cure}")
    comes = "Collections are being deleted; Quiver goes on once they are gone."
    return waiting(g, Reason.QUOTA_EXCEEDED, f"{why} {comes}")


def _away_with_room(g: Gathered) -> str | None:
    """Return the name of a member that is not ready, and may have room for a new collection."""
    if g.engine is None or g.member is not None or g.claim is not None or g.lapsed is not None:
        return None
    there, loads = {m.name for m in g.members if m.ready}, g.load.members
    away = [name for name in names_of_members(g.engine) if name not in there]
    return next((n for n in away if loads.get(n, 0) + g.asked_for <= g.limit), None)


def _room_comes(g: Gathered) -> bool:
    """Tell whether there is room once the collections that are being deleted are gone."""
    if g.member is not None:
        names = [g.member.name]
    else:
        names = [m.name for m in g.members if m.ready and not m.leaving]
    left = {n: g.load.members.get(n, 0) - g.load.going_members.get(n, 0) for n in names}
    gives = (n for n in names if g.load.going_members.get(n, 0))
    return g.has_share and any(left[n] + g.asked_for <= g.limit for n in gives)


def _asks_for_more(g: Gathered) -> bool:
    """Tell whether the object asks for more than it has. A collection that is gone from the engine
    may be created again as it was: that is not more.
    """
    if g.claim is None and g.lapsed is None:
        return True
    existing = g.observed.partitions if g.observed else frozenset(g.collection.status.partitions)
    return bool(set(g.collection.spec.partitions) - existing)
