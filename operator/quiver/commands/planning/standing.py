"""Reservations that stand until the plan is done: of ten thousand objects, found by place."""

from collections import Counter, defaultdict

from quiver.domain.kubernetes_types import Key
from quiver.domain.placement import Load
from quiver.reconcile.collections.reservations import Reservations, Wish


class StandingReservations(Reservations):
    """The same reservations. An operator has a few at a time, and looks through all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._by_place: dict[object, Key] = {}
        self._members = defaultdict[Key, Counter[str]](Counter)
        self._namespaces = defaultdict[Key, Counter[str]](Counter)

    def reserve(self, collection: Key, wish: Wish) -> None:
        if wish in self._held.get(collection, ()):
            return
        super().reserve(collection, wish)
        for place in wish.places:
            self._by_place.setdefault(place, collection)
        self._members[wish.engine][wish.member] += wish.size
        self._namespaces[wish.engine][collection.namespace] += wish.size

    def rival(self, collection: Key, wish: Wish) -> Key | None:
        holders = (self._by_place.get(place) for place in wish.places)
        return next((held for held in holders if held not in (None, collection)), None)

    def added_to(self, load: Load, engine: Key, collection: Key) -> Load:
        members, namespaces = self._members[engine], self._namespaces[engine]
        own = [wish for wish in self._held.get(collection, ()) if wish.engine == engine]
        if own:
            members = members - Counter({wish.member: wish.size for wish in own})
            namespaces = namespaces - Counter({collection.namespace: sum(w.size for w in own)})
        if not members:
            return load
        return load._replace(
            members=members + Counter(load.members),
            namespaces=namespaces + Counter(load.namespaces),
        )
