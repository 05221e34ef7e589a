"""Indexes of the cache: VectorCollections by engine, by wanted name and by claim."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TypeVar

from quiver.domain.claims import claim_of, is_unplaced, known_places_of, reserved_partitions_of
from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.manifests import collection_name_of, engine_of
from quiver.domain.placement import NO_LOAD, Load

Group = TypeVar("Group")
Keys = dict[Key, None]
"""An ordered set, so that objects are enqueued in the same order every time."""


class CollectionsByEngine:
    """Which VectorCollections refer to an engine, want a name or claim a collection, and the load
    of each engine.

    Each reconcile reads it, so the cost of a read must not grow with the number of collections.
    """

    def __init__(self) -> None:
        self._referring: defaultdict[Key, Keys] = defaultdict(dict)
        self._wanting: defaultdict[tuple[Key, str], Keys] = defaultdict(dict)
        self._claiming: defaultdict[tuple[str, object, str], Keys] = defaultdict(dict)
        self._unplaced: defaultdict[str, Keys] = defaultdict(dict)
        self._load: defaultdict[Key, _Counts] = defaultdict(_Counts)

    def referring(self, engine: Key) -> Iterable[Key]:
        """Return the objects of all namespaces that refer to the engine."""
        return self._referring.get(engine, ())

    def wanting(self, engine: Key, collection_name: str) -> Iterable[Key]:
        """Return the objects that refer to the engine and want a collection of this name."""
        return self._wanting.get((engine, collection_name), ())

    def claiming(self, places: Iterable[tuple[str, object, str]]) -> Iterable[Key]:
        """Return the objects of all engines that have a claim in one of the places."""
        found: Keys = {}
        for place in sorted(places, key=str):
            found.update(self._claiming.get(place, {}))
        return found

    def unplaced(self, collection_name: str) -> Iterable[Key]:
        """Return the objects that claim a collection of this name on an external server that the
        claim does not identify.
        """
        return self._unplaced.get(collection_name, ())

    def load(self, engine: Key) -> Load:
        """Return how many collections and partitions count against the engine's limits: claimed
        collections, and their partitions once the status lists them.
        """
        counts = self._load.get(engine)
        if counts is None:
            return NO_LOAD
        going = counts.going_members, counts.going_namespaces
        return Load(counts.members, counts.namespaces, *going)

    def add(self, manifest: Manifest) -> None:
        engine = engine_of(manifest)
        if engine is None:
            return
        key = Key.of(manifest)
        self._referring[engine][key] = None
        self._wanting[engine, collection_name_of(manifest)][key] = None
        if (claim := claim_of(manifest)) is not None:
            for place in known_places_of(claim, engine):
                self._claiming[place][key] = None
            if is_unplaced(claim):
                self._unplaced[claim.collection_name][key] = None
        self._count(engine, manifest, 1)

    def discard(self, manifest: Manifest) -> None:
        """Undo `add` of the same manifest."""
        engine = engine_of(manifest)
        if engine is None:
            return
        key = Key.of(manifest)
        _discard(self._referring, engine, key)
        _discard(self._wanting, (engine, collection_name_of(manifest)), key)
        if (claim := claim_of(manifest)) is not None:
            for place in known_places_of(claim, engine):
                _discard(self._claiming, place, key)
            if is_unplaced(claim):
                _discard(self._unplaced, claim.collection_name, key)
        self._count(engine, manifest, -1)

    def count_abandoned(self, manifest: Manifest, sign: int) -> None:
        """Add the load of an object that is gone, or (-1) take it away again."""
        if (engine := engine_of(manifest)) is not None:
            self._count(engine, manifest, sign)

    def _count(self, engine: Key, manifest: Manifest, sign: int) -> None:
        claim = claim_of(manifest)
        if claim is None:
            return
        counts, size = self._load[engine], sign * size_of(manifest)
        _add(counts.members, claim.member, size)
        _add(counts.namespaces, manifest["metadata"]["namespace"], size)
        if "deletionTimestamp" in manifest["metadata"]:
            _add(counts.going_members, claim.member, size)
            _add(counts.going_namespaces, manifest["metadata"]["namespace"], size)
        if not counts.members:
            del self._load[engine]


def size_of(collection: Manifest) -> int:
    """Return how many collections and partitions a claimed VectorCollection counts as."""
    status = collection.get("status", {})
    partitions = (*status.get("partitions", ()), *status.get("retainedPartitions", ()))
    return 1 + max(len(partitions), reserved_partitions_of(collection))


class _Counts:
    def __init__(self) -> None:
        self.members: Counter[str] = Counter()
        self.namespaces: Counter[str] = Counter()
        self.going_members: Counter[str] = Counter()
        self.going_namespaces: Counter[str] = Counter()


def _add(counter: Counter[str], name: str, number: int) -> None:
    counter[name] += number
    if not counter[name]:
        del counter[name]


def is_converged(collection: Manifest) -> bool:
    """Tell whether the VectorCollection is Ready for its present spec, and is not being deleted."""
    metadata, status = collection["metadata"], collection.get("status", {})
    return (
        ready_status(collection) == "True"
        and status.get("observedGeneration") == metadata.get("generation")
        and "deletionTimestamp" not in metadata
    )


def _discard(groups: defaultdict[Group, Keys], group: Group, key: Key) -> None:
    groups[group].pop(key, None)
    if not groups[group]:
        del groups[group]
