"""Room on members that reconciles under way have chosen and not claimed yet."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from quiver.domain.objects import Key


class _Reservation(NamedTuple):
    engine: Key
    member: str
    size: int


class Reservations:
    """Looking for room and claiming it is not one step: without these, collections that are placed
    at the same time would all take the last place.

    A reservation goes as soon as the claim, which counts from then on, is in the cache.
    """

    def __init__(self) -> None:
        self._held: dict[Key, _Reservation] = {}

    def reserve(self, collection: Key, engine: Key, member: str, size: int) -> None:
        """Set aside room for `size` collections and partitions."""
        self._held[collection] = _Reservation(engine, member, size)

    def release(self, collection: Key) -> None:
        self._held.pop(collection, None)

    def added_to(self, load: Mapping[str, int], engine: Key) -> Mapping[str, int]:
        """Return the load of the engine's members with what is set aside there."""
        added: Counter[str] = Counter()
        for reservation in self._held.values():
            if reservation.engine == engine:
                added[reservation.member] += reservation.size
        return added + Counter(load) if added else load
