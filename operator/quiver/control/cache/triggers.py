"""Which objects a change concerns: from cache changes to keys in the queues."""

from collections.abc import Callable

from quiver.control.cache.cache import Cache, Change
from quiver.domain.claims import claim_of
from quiver.domain.conditions import ready_message, ready_reason, ready_status
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.domain.manifests import collection_name_of, engine_of, uid_of

Add = Callable[[Key], None]


class Triggers:
    """Listens to a cache and adds keys to the queues of collections and engines.

    What a reconciler has just written itself is no news to it, so that a collection costs one
    reconcile and not one more for each of its writes.
    """

    def __init__(
        self, cache: Cache, add_collection: Add, add_engine: Add, add_engine_soon: Add
    ) -> None:
        """`add_engine_soon` folds what happens to many collections of an engine at once."""
        self._cache = cache
        self._add_collection = add_collection
        self._add_engine = add_engine
        self._add_engine_soon = add_engine_soon

    def __call__(self, change: Change) -> None:
        if change.kind == VECTOR_COLLECTION:
            self._collection_changed(change)
        elif change.kind == VECTOR_ENGINE:
            self._engine_changed(change)
        elif not change.ours:
            self._part_changed(change)

    def _collection_changed(self, change: Change) -> None:
        if not change.ours and _collection_news(change.old, change.new):
            self._add_collection(change.key)
        if change.old is not None and _uid(change.old) != _uid(change.new):
            self._collection_vanished(change.key, change.old)

    def _collection_vanished(self, key: Key, old: Manifest) -> None:
        engine = engine_of(old)
        if engine is None:
            return
        self._add_engine_soon(engine)
        # What it held and what it wished may differ: a spec may be changed past the CRD.
        claim = claim_of(old)
        names = {collection_name_of(old)} | (
            {claim.collection_name} if claim is not None else set()
        )
        for name in sorted(names):
            for other in self._cache.namesakes(engine, name):
                if Key.of(other) != key:
                    self._add_collection(Key.of(other))

    def _engine_changed(self, change: Change) -> None:
        if not change.ours:
            self._add_engine(change.key)
        if _engine_face(change.old) != _engine_face(change.new):
            self._enqueue_collections_of(change.key)

    def _part_changed(self, change: Change) -> None:
        manifest = change.new or change.old or {}
        name = manifest["metadata"].get("labels", {}).get(ENGINE_LABEL)
        if name is None:
            return
        engine = Key(change.key.namespace, name)
        self._add_engine(engine)
        if change.kind == POD and _pod_face(change.old) != _pod_face(change.new):
            self._enqueue_collections_of(engine)

    def _enqueue_collections_of(self, engine: Key) -> None:
        for collection in self._cache.collections_of(engine):
            self._add_collection(Key.of(collection))


def _collection_news(old: Manifest | None, new: Manifest | None) -> bool:
    """Tell whether a reconciler could care: labels, owners and the like are not its business."""
    return _collection_face(old) != _collection_face(new)


def _collection_face(manifest: Manifest | None) -> object:
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    fields = ("uid", "generation", "deletionTimestamp", "finalizers", "annotations")
    return [metadata.get(field) for field in fields], manifest.get("status")


def _engine_face(manifest: Manifest | None) -> object:
    """Return what an engine's collections see of it: its spec, whether it is ready, and what it
    says while it is not: they say it too.
    """
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    identity = metadata["uid"], metadata.get("generation"), "deletionTimestamp" in metadata
    status = ready_status(manifest)
    said = "" if status == "True" else ready_message(manifest)
    return identity, status, ready_reason(manifest), said


def _pod_face(manifest: Manifest | None) -> object:
    """Return what an engine's collections see of a pod."""
    if manifest is None:
        return None
    status, metadata = manifest.get("status", {}), manifest["metadata"]
    ready = ready_status(manifest) == "True" and "deletionTimestamp" not in metadata
    return metadata["uid"], status.get("podIP"), ready


def _uid(manifest: Manifest | None) -> str | None:
    return None if manifest is None else uid_of(manifest)
