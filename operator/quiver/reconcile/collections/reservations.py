"""Room on members, and names, that running reconciles have chosen but not claimed yet."""

from collections import Counter
from typing import NamedTuple

from quiver.domain.kubernetes_types import Key
from quiver.domain.placement import Load


class Wish(NamedTuple):
    """What an object is about to claim on a member of its engine.

    `places` are those of the collection's claim (quiver.domain.claims.places_of). `size` is how
    many more collections and partitions the object needs than already count as its own.
    """

    engine: Key
    member: str
    places: frozenset[tuple[str, object, str]]
    size: int


class Reservations:
    """Reservations of room and names, by collection.

    A reconcile chooses a member first and claims the collection later. Without reservations,
    concurrent reconciles would all choose the last room, or claim the same name.

    A reservation ends when the cache has what it was made for, or when the reconcile has given it
    up. If the answer to the write of a claim is lost, the claim may exist: the reservation lasts
    until a later reconcile has found out.
    """

    def __init__(self) -> None:
        self._held: dict[Key, set[Wish]] = {}

    def reserve(self, collection: Key, wish: Wish) -> None:
        """Reserve what the object wants, in addition to what it has claimed."""
        self._held.setdefault(collection, set()).add(wish)

    def claimed(self, collection: Key) -> None:
        """Reserve the name alone: the claim now counts, with the partitions reserved with it."""
        wishes = self._held.get(collection, set())
        self._held[collection] = {wish._replace(size=0) for wish in wishes}

    def release(self, collection: Key) -> None:
        self._held.pop(collection, None)

    def rival(self, collection: Key, wish: Wish) -> Key | None:
        """Return another object that has reserved the name; None if there is none."""
        for other, wishes in self._held.items():
            if other != collection and any(held.places & wish.places for held in wishes):
                return other
        return None

    def added_to(self, load: Load, engine: Key, collection: Key) -> Load:
        """Return the engine's load, with the reservations of all other objects added."""
        members: Counter[str] = Counter()
        namespaces: Counter[str] = Counter()
        for other, wishes in self._held.items():
            for wish in wishes:
                if other != collection and wish.engine == engine:
                    members[wish.member] += wish.size
                    namespaces[other.namespace] += wish.size
        if not members:
            return load
        return load._replace(
            members=members + Counter(load.members),
            namespaces=namespaces + Counter(load.namespaces),
        )
