"""The cache: the newest known manifest of each object. Its listeners are called at each change."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from quiver.control.cache.by_engine import CollectionsByEngine
from quiver.control.cache.seen import NO_MARK, Mark, Seen
from quiver.control.cache.trim import trim
from quiver.domain.claims import ClaimKeys, claim_of, places_of, verified
from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.domain.manifests import uid_of, version_of
from quiver.domain.placement import Load


class Change(NamedTuple):
    """A change to one object. `old` is None for a new object, `new` for one that is gone.

    `ours` tells whether a write of this operator caused it.
    """

    kind: Kind
    key: Key
    old: Manifest | None
    new: Manifest | None
    ours: bool


Listener = Callable[[Change], None]


class Cache:
    """Manifests by kind and key. Readers must not modify what they get.

    Events, lists and answers to writes arrive in any order. The cache takes only newer versions,
    and no version of an object that it knows to be gone; but for lists that show that the API
    server's store is older than it was. It takes a claim in an annotation only with a valid
    signature.
    """

    def __init__(self, keys: ClaimKeys | None = None) -> None:
        """`keys` verify the claims in annotations. With None, no such claim is valid."""
        self._keys = keys or ClaimKeys()
        self._objects: dict[Kind, dict[str, dict[str, Manifest]]] = {}
        self._by_engine = CollectionsByEngine()
        self._abandoned: dict[Key, dict[str, Manifest]] = {}
        self._seen = Seen()
        self._refuted: set[tuple[Kind, Key]] = set()
        self._held: dict[tuple[Kind, Key], list[Callable[[], object]]] = {}
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` after each change. The cache is then already up to date."""
        self._listeners.append(listener)

    def get(self, kind: Kind, key: Key) -> Manifest | None:
        return self._objects.get(kind, {}).get(key.namespace, {}).get(key.name)

    def list(self, kind: Kind, namespace: str) -> Iterable[Manifest]:
        return tuple(self._objects.get(kind, {}).get(namespace, {}).values())

    def all(self, kind: Kind) -> Iterator[Manifest]:
        """Yield all objects of the kind. Do not await meanwhile: the cache must not change."""
        for objects in self._objects.get(kind, {}).values():
            yield from objects.values()

    def collections_of(self, engine: Key) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine."""
        return self._collections(self._by_engine.referring(engine))

    def namesakes(self, engine: Key, collection_name: str) -> Iterable[Manifest]:
        """Return the VectorCollections that refer to the engine and want a collection of this
        name.
        """
        return self._collections(self._by_engine.wanting(engine, collection_name))

    def claimants(self, engine: Key, claim: Claim) -> Iterable[Manifest]:
        """Return the VectorCollections, of this engine or another, whose claims have a place in
        common with `claim`.
        """
        return self._collections(self._by_engine.claiming(places_of(claim, engine)))

    def unplaced(self, collection_name: str) -> Iterable[Manifest]:
        """Return the VectorCollections that claim a collection of this name on an external server
        that the claim does not identify.
        """
        return self._collections(self._by_engine.unplaced(collection_name))

    def load_of(self, engine: Key) -> Load:
        """Return how many collections and partitions count against the engine's limits."""
        return self._by_engine.load(engine)

    def trimmed(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Return the manifest as the cache keeps it."""
        kept = verified(manifest, self._keys) if kind == VECTOR_COLLECTION else manifest
        return trim(kind, kept)

    def known_or_trimmed(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Return the manifest as the cache has it, which takes no more memory; if it is news, what
        `put` needs of it.
        """
        known = self.get(kind, Key.of(manifest))
        if known is not None and _identity(known) == _identity(manifest):
            return known
        return trim(kind, manifest)

    def put(self, kind: Kind, manifest: Manifest, *, ours: bool = False) -> Manifest | None:
        """Store the manifest, and return it as the cache keeps it.

        Return None if the cache knows a newer version, or that the object is gone, or if the
        manifest has to wait for a write of the object.
        """
        key = Key.of(manifest)
        held = self._held.get((kind, key))
        if held is not None and not ours:
            held.append(partial(self.put, kind, manifest))
            return None
        if self._seen.is_gone(uid_of(manifest)):
            return None
        old, version = self.get(kind, key), version_of(manifest)
        is_refuted = (kind, key) in self._refuted
        if old is not None and version <= version_of(old) and not is_refuted:
            return None
        if old is not None and uid_of(old) != uid_of(manifest):
            self._seen.bury(uid_of(old))
            self.abandon(kind, old)
        new = self.trimmed(kind, manifest)
        self._refuted.discard((kind, key))
        self._seen.note(kind, key.namespace, version)
        self._store(kind, key, old, new)
        self._notify(Change(kind, key, old, new, ours))
        return new

    def remove(self, kind: Kind, key: Key, uid: str, *, ours: bool = False) -> None:
        """Remove the object with this uid for good. Another object of its name stays."""
        held = self._held.get((kind, key))
        if held is not None and not ours:
            held.append(partial(self.remove, kind, key, uid))
            return
        self._seen.bury(uid)
        old = self.get(kind, key)
        if old is not None and uid_of(old) == uid:
            if not ours:
                self.abandon(kind, old)
            self._store(kind, key, old, None)
            self._notify(Change(kind, key, old, None, ours))

    def mark(self, kind: Kind, namespace: str = "") -> Mark:
        """Return what is known of the kind before a list is requested, of all namespaces or one."""
        return self._seen.mark(kind, namespace)

    def replace(
        self,
        kind: Kind,
        manifests: Iterable[Manifest],
        version: str,
        *,
        namespace: str = "",
        mark: Mark = NO_MARK,
    ) -> bool:
        """Replace the kind's objects by a whole list as of `version`, requested at `mark`: store
        what is newer, and remove what the list no longer has. With a namespace the list is of that
        one alone.

        If the store of the API server is older than it was, all that was known at `mark` gives way
        to the list. Return whether the version says so.
        """
        listed, went_back = set(), int(version) < mark.newest
        horizon = max(int(version), mark.newest)
        for manifest in manifests:
            listed.add(uid_of(manifest))
            self._seen.unbury(uid_of(manifest), mark)
            if self._refutes(kind, manifest, horizon, went_back):
                self._refuted.add((kind, Key.of(manifest)))
            self.put(kind, manifest)
        for known in self.list(kind, namespace) if namespace else list(self.all(kind)):
            if uid_of(known) not in listed and version_of(known) <= horizon:
                self.remove(kind, Key.of(known), uid_of(known))
        self._seen.listed(kind, namespace, int(version) if went_back else horizon)
        return went_back

    @contextmanager
    def writing(self, kind: Kind, key: Key) -> Iterator[None]:
        """Hold back events and lists about the object until the answer to the write is stored.

        A watch often reports a write before its answer arrives. Without this, the write would look
        like another client's change and cost a second reconcile.
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
        """Tell whether the cache has the object in this version or a newer one."""
        found = self.get(kind, key)
        return found is not None and uid_of(found) == uid and version_of(found) >= version

    def is_gone(self, uid: str) -> bool:
        """Tell whether the object was removed. The cache remembers the last 20,000 removals."""
        return self._seen.is_gone(uid)

    def abandon(self, kind: Kind, manifest: Manifest) -> None:
        """Take note that the object is gone without a release by this operator."""
        if kind != VECTOR_COLLECTION or claim_of(manifest) is None:
            return
        known = self._abandoned.setdefault(Key.of(manifest), {})
        if uid_of(manifest) not in known:
            known[uid_of(manifest)] = manifest
            self._by_engine.count_abandoned(manifest, 1)

    def abandoned(self, key: Key) -> Iterable[Manifest]:
        """Return the VectorCollections of this name that are gone without a release by this
        operator, and had a claim. They count as load until `forget_abandoned`.
        """
        return tuple(self._abandoned.get(key, {}).values())

    def forget_abandoned(self, manifest: Manifest) -> None:
        key = Key.of(manifest)
        del self._abandoned[key][uid_of(manifest)]
        if not self._abandoned[key]:
            del self._abandoned[key]
        self._by_engine.count_abandoned(manifest, -1)
        self._notify(Change(VECTOR_COLLECTION, key, manifest, None, ours=True))

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

    def _refutes(self, kind: Kind, listed: Manifest, horizon: int, went_back: bool) -> bool:
        """Tell whether what a list has shows that the known version never was, or is no more."""
        known = self.get(kind, Key.of(listed))
        if known is None or version_of(known) > horizon:
            return False
        if version_of(known) == version_of(listed):
            # A store that went back gives out the same versions again.
            return went_back and known != self.trimmed(kind, listed)
        return version_of(known) > version_of(listed)

    def _notify(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _identity(manifest: Manifest) -> tuple[str, int]:
    return uid_of(manifest), version_of(manifest)
