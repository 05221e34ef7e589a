"""The Kubernetes API for reconcilers: reads come from the cache, writes go through it."""

from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from quiver.control.cache.cache import Cache
from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import (
    EVENT,
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.manifests import uid_of
from quiver.domain.placement import Load
from quiver.ports.api import Api
from quiver.ports.errors import NotFound
from quiver.ports.kubernetes import ReportedEvent

MOST_EVENTS = 64
"""Read of one object. A controller publishes no more than that many that differ in an hour."""


class CachedObjects:
    """Implements `quiver.ports.kubernetes.Objects`."""

    def __init__(self, cache: Cache, api: Api) -> None:
        self._cache = cache
        self._api = api

    def get(self, kind: Kind, key: Key) -> Manifest | None:
        return self._cache.get(kind, key)

    def list(self, kind: Kind, namespace: str) -> Iterable[Manifest]:
        return self._cache.list(kind, namespace)

    def collections_of(self, engine: Key) -> Iterable[Manifest]:
        return self._cache.collections_of(engine)

    def namesakes(self, engine: Key, collection_name: str) -> Iterable[Manifest]:
        return self._cache.namesakes(engine, collection_name)

    def claimants(self, engine: Key, claim: Claim) -> Iterable[Manifest]:
        return self._cache.claimants(engine, claim)

    def unplaced(self, collection_name: str) -> Iterable[Manifest]:
        return self._cache.unplaced(collection_name)

    def abandon(self, manifest: Manifest) -> None:
        self._cache.abandon(VECTOR_COLLECTION, manifest)

    def abandoned(self, key: Key) -> Iterable[Manifest]:
        return self._cache.abandoned(key)

    def forget_abandoned(self, manifest: Manifest) -> None:
        self._cache.forget_abandoned(manifest)

    def load_of(self, engine: Key) -> Load:
        return self._cache.load_of(engine)

    def engines(self) -> Iterable[Manifest]:
        return tuple(self._cache.all(VECTOR_ENGINE))

    def pod_addresses(self) -> frozenset[str]:
        found = (pod.get("status", {}) for pod in self._cache.all(POD))
        each = ([s.get("podIP", ""), *(ip["ip"] for ip in s.get("podIPs", ()))] for s in found)
        return frozenset(chain.from_iterable(each)) - {""}

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        try:
            return await self._api.get(kind, key)
        except NotFound:
            return None

    async def reported_events(self, kind: Kind, key: Key) -> Sequence[ReportedEvent]:
        fields = {"regarding.kind": kind.kind, "regarding.name": key.name}
        found = await self._api.some(EVENT, key.namespace, fields, MOST_EVENTS)
        return sorted(map(_reported, found), key=lambda event: event.at, reverse=True)

    async def patch(self, kind: Kind, manifest: Manifest, patch: Manifest) -> Manifest:
        return await self._update(kind, manifest, patch, subresource="")

    async def patch_status(self, kind: Kind, manifest: Manifest, status: Manifest) -> Manifest:
        return await self._update(kind, manifest, {"status": status}, subresource="status")

    async def merge_status(self, kind: Kind, key: Key, uid: str, status: Manifest) -> Manifest:
        body = {"metadata": {"uid": uid}, "status": status}
        call = self._api.patch(kind, key, body, subresource="status")
        return await self._write(kind, key, call)

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        return await self._write(kind, Key.of(manifest), self._api.apply(kind, manifest))

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        key, uid = Key.of(manifest), uid_of(manifest)
        with suppress(NotFound):
            await self._api.delete(kind, key, uid)
        self._cache.remove(kind, key, uid, ours=True)

    async def _update(
        self, kind: Kind, manifest: Manifest, patch: Manifest, subresource: str
    ) -> Manifest:
        key, metadata = Key.of(manifest), manifest["metadata"]
        version = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        body: dict[str, Any] = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
        call = self._api.patch(kind, key, body, subresource=subresource)
        try:
            return await self._write(kind, key, call)
        except NotFound:
            self._cache.remove(kind, key, metadata["uid"])
            raise

    async def _write(self, kind: Kind, key: Key, call: Awaitable[Manifest]) -> Manifest:
        kept = None
        with self._cache.writing(kind, key):
            answer = await call
            if _is_finished(answer):
                self._cache.remove(kind, key, uid_of(answer), ours=True)
            else:
                kept = self._cache.put(kind, answer, ours=True)
        return self._cache.trimmed(kind, answer) if kept is None else kept


def _reported(event: Manifest) -> ReportedEvent:
    times = (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
    )
    return ReportedEvent(
        reason=event.get("reason", ""),
        note=event.get("note", ""),
        uid=(event.get("regarding") or {}).get("uid", ""),
        at=max(filter(None, times), default=""),
    )


def _is_finished(manifest: Manifest) -> bool:
    """Tell whether the API server has deleted the object, because its last finalizer is removed."""
    metadata = manifest["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("finalizers")
