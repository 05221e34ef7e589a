"""What the operator knows of the cluster: the newest manifest of each object, and who is told of
changes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from quiver.control.cache.by_engine import CollectionsByEngine
from quiver.control.cache.trim import trim
from quiver.domain.claims import ClaimKeys, places_of, verified
from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.domain.manifests import uid_of, version_of
from quiver.domain.placement import Load

TOMBSTONES = 20_000


class Change(NamedTuple):
    """One step of one object. `old` is None for a new object, `new` for one that is gone.

    `ours` tells that a write of this operator brought it about.
    """

    kind: Kind
    key: Key
    old: Manifest | None
    new: Manifest | None
    ours: bool


Listener = Callable[[Change], None]


class Cache:
    """Manifests by kind and key; readers must not change what they are given.

    Events, lists and answers to writes arrive in any order. Only what is newer gets in, and what is
    known to be gone does not come back. A claim in an annotation gets in only where it is believed.
    """

    def __init__(self, keys: ClaimKeys | None = None) -> None:
        """`keys` tell which claims are believed that stand in annotations; None believes none."""
        self._keys = keys or ClaimKeys()
        self._objects: dict[Kind, dict[str, dict[str, Manifest]]] = {}
        self._by_engine = CollectionsByEngine()
        self._gone: dict[str, None] = {}
        self._held: dict[tuple[Kind, Key], list[Callable[[], object]]] = {}
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called after each change, with the cache up to date already."""
        self._listeners.append(listener)

    def get(self, kind: Kind, key: Key) -> Manifest | None:
        return self._objects.get(kind, {}).get(key.namespace, {}).get(key.name)

    def list(self, kind: Kind, namespace: str) -> Iterable[Manifest]:
        return tuple(self._objects.get(kind, {}).get(namespace, {}).values())

    def all(self, kind: Kind) -> Iterator[Manifest]:
        """Yield all objects of the kind. The cache must not change meanwhile: do not await."""
        for objects in self._objects.get(kind, {}).values():
            yield from objects.values()

    def collections_of(self, engine: Key) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine."""
        return self._collections(self._by_engine.referring(engine))

    def namesakes(self, engine: Key, collection_name: str) -> Iterable[Manifest]:
        """Return those of them that want a collection of this name."""
        return self._collections(self._by_engine.wanting(engine, collection_name))

    def claimants(self, engine: Key, claim: Claim) -> Iterable[Manifest]:
        """Return the VectorCollections that claim what `claim` does, on this engine or another."""
        return self._collections(self._by_engine.claiming(places_of(claim, engine)))

    def unplaced(self, collection_name: str) -> Iterable[Manifest]:
        """Return those that claim such a collection on an external server, nobody knows which."""
        return self._collections(self._by_engine.unplaced(collection_name))

    def load_of(self, engine: Key) -> Load:
        """Return how many collections and partitions are claimed, and there."""
        return self._by_engine.load(engine)

    def trimmed(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Return what is kept of a manifest."""
        kept = verified(manifest, self._keys) if kind == VECTOR_COLLECTION else manifest
        return trim(kind, kept)

    def put(self, kind: Kind, manifest: Manifest, *, ours: bool = False) -> Manifest | None:
        """Take the manifest in, and return what is kept of it; None where the object is known to be
        newer or gone, or where it has to wait.
        """
        key = Key.of(manifest)
        held = self._held.get((kind, key))
        if held is not None and not ours:
            held.append(partial(self.put, kind, manifest))
            return None
        if uid_of(manifest) in self._gone:
            return None
        old = self.get(kind, key)
        if old is not None and version_of(manifest) <= version_of(old):
            return None
        if old is not None and uid_of(old) != uid_of(manifest):
            self._bury(uid_of(old))
        new = self.trimmed(kind, manifest)
        self._store(kind, key, old, new)
        self._tell(Change(kind, key, old, new, ours))
        return new

    def remove(self, kind: Kind, key: Key, uid: str, *, ours: bool = False) -> None:
        """Take the object of this uid out, for good; another one of its name stays."""
        held = self._held.get((kind, key))
        if held is not None and not ours:
            held.append(partial(self.remove, kind, key, uid))
            return
        self._bury(uid)
        old = self.get(kind, key)
        if old is not None and uid_of(old) == uid:
            self._store(kind, key, old, None)
            self._tell(Change(kind, key, old, None, ours))

    def replace(self, kind: Kind, manifests: Iterable[Manifest], version: str) -> None:
        """Hold a whole list, as of `version`, against the cache: add what is new, evict ghosts."""
        listed = set()
        for manifest in manifests:
            listed.add(uid_of(manifest))
            self.put(kind, manifest)
        for known in list(self.all(kind)):
            if uid_of(known) not in listed and version_of(known) <= int(version):
                self.remove(kind, Key.of(known), uid_of(known))

    @contextmanager
    def writing(self, kind: Kind, key: Key) -> Iterator[None]:
        """Hold back what others say of the object until the write's answer is in.

        The watch often reports a write before its answer arrives; without this it would look like
        somebody else's change and cost a second reconcile.
        """
        outermost = (kind, key) not in self._held
        self._held.setdefault((kind, key), [])
        try:
            yield
        finally:
            if outermost:
                for apply in self._held.pop((kind, key)):
                    apply()

    def is_being_written(self, kind: Kind, key: Key) -> bool:
        return (kind, key) in self._held

    def knows(self, kind: Kind, key: Key, uid: str, version: int) -> bool:
        """Tell whether the object is held in this version or a newer one."""
        found = self.get(kind, key)
        return found is not None and uid_of(found) == uid and version_of(found) >= version

    def is_gone(self, uid: str) -> bool:
        """Tell whether the object was taken out, as far back as that is remembered."""
        return uid in self._gone

    def _collections(self, keys: Iterable[Key]) -> Iterable[Manifest]:
        objects = self._objects.get(VECTOR_COLLECTION, {})
        return tuple(objects[key.namespace][key.name] for key in keys)

    def _store(self, kind: Kind, key: Key, old: Manifest | None, new: Manifest | None) -> None:
        objects = self._objects.setdefault(kind, {}).setdefault(key.namespace, {})
        if kind == VECTOR_COLLECTION:
            if old is not None:
                self._by_engine.discard(old)
            if new is not None:
                self._by_engine.add(new)
        if new is None:
            del objects[key.name]
        else:
            objects[key.name] = new

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > TOMBSTONES:
            del self._gone[next(iter(self._gone))]

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)
