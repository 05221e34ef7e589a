"""Rooms and names that reconciles under way have chosen and not claimed yet."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from quiver.domain.objects import Key


class Wish(NamedTuple):
    """What an object is about to claim: a collection of this name on a member of its engine, with
    room for `size` collections and partitions. Of an endpoint several engines may be made.
    """

    engine: Key
    member: str
    is_endpoint: bool
    name: str
    size: int


class Reservations:
    """Looking for a place and claiming it is not one step: without these, collections that are
    placed at the same time would all take the last room, and all of one name would take the name.

    A reservation ends when its claim, which counts from then on, is in the cache, or when nothing
    was claimed. A claim whose answer was lost may stand: its reservation lasts until that is known.
    """

    def __init__(self) -> None:
        self._held: dict[Key, set[Wish]] = {}

    def reserve(self, collection: Key, wish: Wish) -> None:
        """Set aside what the object wishes, beside what it may have claimed already."""
        self._held.setdefault(collection, set()).add(wish)

    def release(self, collection: Key) -> None:
        self._held.pop(collection, None)

    def rival(self, collection: Key, wish: Wish) -> Key | None:
        """Return another object that is about to claim the name."""
        for other, wishes in self._held.items():
            if other != collection and any(_meet(held, wish) for held in wishes):
                return other
        return None

    def added_to(self, load: Mapping[str, int], engine: Key, collection: Key) -> Mapping[str, int]:
        """Return the load of the engine's members with what others than this object set aside."""
        added: Counter[str] = Counter()
        for other, wishes in self._held.items():
            for wish in wishes:
                if other != collection and wish.engine == engine:
                    added[wish.member] += wish.size
        return added + Counter(load) if added else load


def _meet(one: Wish, other: Wish) -> bool:
    if one.name != other.name:
        return False
    same_endpoint = one.is_endpoint and other.is_endpoint and one.member == other.member
    return one.engine == other.engine or same_endpoint
