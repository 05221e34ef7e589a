"""The reconcilers' view of the Kubernetes API: reads from the cache, writes through it."""

from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from quiver.control.api import Api
from quiver.control.cache import Cache, uid_of
from quiver.control.slim import slim
from quiver.domain.objects import Key, Kind, Manifest
from quiver.ports.errors import NotFound


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

    def claimants(self, member: str, collection_name: str) -> Iterable[Manifest]:
        return self._cache.claimants(member, collection_name)

    def load_of(self, engine: Key) -> Mapping[str, int]:
        return self._cache.load_of(engine)

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        try:
            return await self._api.get(kind, key)
        except NotFound:
            return None

    async def patch(self, kind: Kind, manifest: Manifest, patch: Manifest) -> Manifest:
        return await self._update(kind, manifest, patch, subresource="")

    async def patch_status(self, kind: Kind, manifest: Manifest, status: Manifest) -> Manifest:
        return await self._update(kind, manifest, {"status": status}, subresource="status")

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        return await self._write(kind, Key.of(manifest), self._api.apply(kind, manifest))

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        key, uid = Key.of(manifest), manifest["metadata"]["uid"]
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
            self._cache.remove(kind, key, metadata["uid"], ours=True)
            raise

    async def _write(self, kind: Kind, key: Key, call: Awaitable[Manifest]) -> Manifest:
        kept = None
        with self._cache.writing(kind, key):
            answer = await call
            if _is_finished(answer):
                self._cache.remove(kind, key, uid_of(answer), ours=True)
            else:
                kept = self._cache.put(kind, answer, ours=True)
        return slim(kind, answer) if kept is None else kept


def _is_finished(manifest: Manifest) -> bool:
    """Tell whether taking away the last finalizer has just let the object go."""
    metadata = manifest["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("finalizers")
