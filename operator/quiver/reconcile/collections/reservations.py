"""Rooms and names that reconciles under way have chosen and not claimed yet."""

from collections import Counter
from typing import NamedTuple

from quiver.domain.kubernetes_types import Key
from quiver.domain.placement import Load


class Wish(NamedTuple):
    """What an object is about to have on a member of its engine: a collection that is known by
    `places`, with room for `size` more collections and partitions than count as its own already.
    """

    engine: Key
    member: str
    places: frozenset[tuple[str, object, str]]
    size: int


class Reservations:
    """Looking for a place and claiming it is not one step: without these, collections that are
    placed at the same time would all take the last room, and all of one name would take the name.

    A reservation ends when what it was made for counts, in the cache, or when nothing came of it.
    A claim whose answer was lost may stand: its reservation lasts until that is known.
    """

    def __init__(self) -> None:
        self._held: dict[Key, set[Wish]] = {}

    def reserve(self, collection: Key, wish: Wish) -> None:
        """Set aside what the object wishes, beside what it may have claimed already."""
        self._held.setdefault(collection, set()).add(wish)

    def claimed(self, collection: Key) -> None:
        """Take note that the collection itself counts by its claim, and its partitions do not."""
        wishes = self._held.get(collection, set())
        self._held[collection] = {wish._replace(size=max(0, wish.size - 1)) for wish in wishes}

    def release(self, collection: Key) -> None:
        self._held.pop(collection, None)

    def rival(self, collection: Key, wish: Wish) -> Key | None:
        """Return another object that is about to claim the name."""
        for other, wishes in self._held.items():
            if other != collection and any(held.places & wish.places for held in wishes):
                return other
        return None

    def added_to(self, load: Load, engine: Key, collection: Key) -> Load:
        """Return the engine's load with what others than this object have set aside."""
        members: Counter[str] = Counter()
        namespaces: Counter[str] = Counter()
        for other, wishes in self._held.items():
            for wish in wishes:
                if other != collection and wish.engine == engine:
                    members[wish.member] += wish.size
                    namespaces[other.namespace] += wish.size
        if not members:
            return load
        return Load(members + Counter(load.members), namespaces + Counter(load.namespaces))
