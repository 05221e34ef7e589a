"""Turns changes of the cache into keys in the queues."""

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
    """Listens to a cache, and enqueues the collections and engines that a change concerns.

    A reconciler's own write does not enqueue its object again: otherwise a collection would cost
    another reconcile for each of its writes.
    """

    def __init__(
        self, cache: Cache, add_collection: Add, add_engine: Add, add_engine_soon: Add
    ) -> None:
        """`add_engine_soon` adds with a delay: many deletions of an engine's collections fold into
        one reconcile.
        """
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
        if not change.ours and _collection_input(change.old) != _collection_input(change.new):
            self._add_collection(change.key)
        if change.old is not None and _uid(change.old) != _uid(change.new):
            self._collection_deleted(change.key, change.old)

    def _collection_deleted(self, key: Key, old: Manifest) -> None:
        engine = engine_of(old)
        if engine is None:
            return
        self._add_engine_soon(engine)
        # Its claim and its spec may name two collections: a spec may be changed despite the CRD.
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
        if _engine_input(change.old) != _engine_input(change.new):
            self._enqueue_collections_of(change.key)

    def _part_changed(self, change: Change) -> None:
        manifest = change.new or change.old or {}
        name = manifest["metadata"].get("labels", {}).get(ENGINE_LABEL)
        if name is None:
            return
        engine = Key(change.key.namespace, name)
        self._add_engine(engine)
        if change.kind == POD and _pod_input(change.old) != _pod_input(change.new):
            self._enqueue_collections_of(engine)

    def _enqueue_collections_of(self, engine: Key) -> None:
        for collection in self._cache.collections_of(engine):
            self._add_collection(Key.of(collection))


def _collection_input(manifest: Manifest | None) -> object:
    """Return what a collection's reconcile depends on: not labels or owners, for instance."""
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    fields = ("uid", "generation", "deletionTimestamp", "finalizers", "annotations")
    return [metadata.get(field) for field in fields], manifest.get("status")


def _engine_input(manifest: Manifest | None) -> object:
    """Return what the reconciles of an engine's collections depend on: its spec, which operator
    manages it, its version, whether it is ready, and the message while it is not, which their
    conditions repeat.
    """
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    identity = metadata["uid"], metadata.get("generation"), "deletionTimestamp" in metadata
    status = ready_status(manifest)
    message = "" if status == "True" else ready_message(manifest)
    told = manifest.get("status", {})
    known = told.get("managedBy"), told.get("version")
    return identity, known, status, ready_reason(manifest), message


def _pod_input(manifest: Manifest | None) -> object:
    """Return what the reconciles of an engine's collections depend on of a pod."""
    if manifest is None:
        return None
    status, metadata = manifest.get("status", {}), manifest["metadata"]
    ready = ready_status(manifest) == "True" and "deletionTimestamp" not in metadata
    return metadata["uid"], status.get("podIP"), ready


def _uid(manifest: Manifest | None) -> str | None:
    return None if manifest is None else uid_of(manifest)
