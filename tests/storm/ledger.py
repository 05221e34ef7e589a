"""What users asked for, kept apart from everything that Quiver keeps.

A row is in `rows` only once the engine acknowledged it, and is taken out as soon as somebody asks
for something that may cost it: what is left must be there in the end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, str]
"""An endpoint and the name of a collection on it."""
Rows = dict[str, set[int]]
"""Ids by partition tag."""
DEFAULT = ""


def collection_name(name: str) -> str:
    return name.replace("-", "_")


@dataclass
class Wish:
    """One object of a name, from its creation to its end. `spec` is as last acknowledged."""

    name: str
    uid: str
    spec: dict[str, Any]
    endpoint: str | None = None
    adopted: bool = False
    deleting: bool = False
    exists: bool = False
    """It was seen on the engine, and nobody has dropped it since."""
    dropped: bool = False
    held: bool = False
    """It was deleted with DeleteIfEmpty while it held rows."""
    rows: Rows = field(default_factory=lambda: defaultdict(set))

    @property
    def policy(self) -> str:
        policy: str = self.spec.get("deletionPolicy", "Delete")
        return policy

    @property
    def adopts(self) -> bool:
        return self.spec.get("adoptionPolicy") == "IfIdentical"

    @property
    def place(self) -> Place | None:
        return (self.endpoint, collection_name(self.name)) if self.endpoint else None

    @property
    def row_count(self) -> int:
        return sum(map(len, self.rows.values()))


@dataclass
class Ledger:
    """`kept` must be on the engines though no object says so; collections of the names in `maybe`
    can be. Of `tainted` names nothing is certain: a call that drops may still be on its way.
    """

    wishes: dict[str, Wish] = field(default_factory=dict)
    kept: dict[Place, Rows] = field(default_factory=dict)
    maybe: set[str] = field(default_factory=set)
    tainted: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        self.wrong.append(what)

    def created(self, name: str, uid: str, spec: dict[str, Any]) -> None:
        self.wishes[name] = Wish(name, uid, spec)

    def edited(self, wish: Wish, spec: dict[str, Any]) -> None:
        """Note that a change was acknowledged."""
        listed = wish.spec.get("partitions", [])
        for tag in set(listed) - set(spec.get("partitions", [])):
            if wish.policy != "Retain":
                self._give_up(wish, [tag])
        if spec.get("deletionPolicy") != wish.spec.get("deletionPolicy"):
            # What was taken off the list before goes by the new policy, if it still stands.
            unlisted = set(wish.rows) - {DEFAULT, *spec.get("partitions", [])}
            self._give_up(wish, unlisted)
        wish.spec = spec

    def seen(self, wish: Wish, status: dict[str, Any], *, ready: bool) -> None:
        """Note where the object says its collection is, and whether it says that it is Ready."""
        endpoint = status.get("placement", {}).get("endpoint")
        if endpoint and wish.endpoint and endpoint != wish.endpoint:
            self.complain(f"{wish.name} moved from {wish.endpoint} to {endpoint}")
        wish.endpoint = endpoint or wish.endpoint
        if wish.place is None or not ready:
            return
        # Until the operator has looked again, Ready says nothing of what was dropped behind it.
        wish.exists = wish.exists or not wish.dropped
        wish.adopted = wish.adopted or status.get("origin") == "Adopted"
        if wish.adopted and wish.place in self.kept:
            for tag, ids in self.kept.pop(wish.place).items():
                wish.rows[tag] |= ids

    def inserted(self, wish: Wish, tag: str, ids: Iterable[int]) -> None:
        """Note that the engine acknowledged rows."""
        if wish.name not in self.tainted:
            wish.rows[tag].update(ids)
            wish.exists = True

    def dropped_behind(self, wish: Wish, *, certain: bool) -> None:
        """Note that somebody drops the collection on the engine itself."""
        wish.rows.clear()
        wish.exists, wish.dropped = False, True
        if not certain:
            self.tainted.add(wish.name)

    def deleted(self, wish: Wish) -> None:
        """Note that a deletion was acknowledged."""
        wish.deleting = True
        if wish.policy == "Retain":
            self._keep(wish)
        elif wish.policy == "DeleteIfEmpty":
            wish.held = wish.row_count > 0
        else:
            self._may_drop(wish)

    def released(self, wish: Wish, spec: dict[str, Any]) -> None:
        """Note that a deleted object that waited was given another policy."""
        wish.held = False
        wish.spec = spec
        self.deleted(wish)

    def gone(self, wish: Wish) -> None:
        """Note that the object is no more."""
        if not wish.deleting:
            self.complain(f"{wish.name} is gone, and nobody deleted it")
        if wish.held:
            self.complain(f"{wish.name} is gone, though DeleteIfEmpty and {wish.row_count} rows")
        if wish.policy == "DeleteIfEmpty":
            self._may_drop(wish)
        self.wishes.pop(wish.name, None)

    def _keep(self, wish: Wish) -> None:
        if wish.place is None or not wish.exists or wish.name in self.tainted:
            self.maybe.add(collection_name(wish.name))
            return
        kept = self.kept.setdefault(wish.place, defaultdict(set))
        for tag, ids in wish.rows.items():
            kept[tag] |= ids

    def _may_drop(self, wish: Wish) -> None:
        wish.rows.clear()
        if not wish.adopts:
            return
        # It may have adopted what an earlier object of the name left, without our seeing it.
        for place in [place for place in self.kept if place[1] == collection_name(wish.name)]:
            if wish.endpoint in (None, place[0]):
                del self.kept[place]
                self.maybe.add(place[1])

    def _give_up(self, wish: Wish, tags: Iterable[str]) -> None:
        for tag in tags:
            wish.rows.pop(tag, None)
            for place in self._may_be_of(wish):
                self.kept[place].pop(tag, None)

    def _may_be_of(self, wish: Wish) -> Iterator[Place]:
        if wish.adopts:
            name = collection_name(wish.name)
            yield from (place for place in self.kept if place[1] == name)
