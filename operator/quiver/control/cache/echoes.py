"""Spares kopf what the cache can have without it: events that it knows, most of them echoes of our
own writes, large events, and lists.
"""

import re
from collections.abc import Iterable

import msgspec

from quiver.control.cache.cache import Cache
from quiver.control.cache.relisting import WATCHED
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Kind, Manifest


def _path(kind: Kind) -> str:
    return f"/{'apis' if kind.group else 'api'}/{kind.api_version}/{kind.plural}"


KINDS = {_path(kind): kind for kind in WATCHED}
_NAMESPACE = re.compile(r"/namespaces/[^/]+(?=/[^/]+$)")
LONG_LINE = 32 * 2**10
"""Bytes. A decoded event takes several times as much, and kopf may hold many at a time."""


class _Metadata(msgspec.Struct, rename="camel"):
    namespace: str
    name: str
    uid: str
    resource_version: str


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Event(msgspec.Struct):
    type: str
    object: _Object


_DECODER = msgspec.json.Decoder(_Event)


class Echoes:
    """Drops events that would change nothing, since kopf makes a task and a queue for each. A
    collection costs two writes, and the watch returns an event for each.

    Long events, and the objects of lists, go into the cache at once: that trims one at a time.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def __call__(self, path: str, line: bytes) -> bool:
        """Tell whether kopf can do without the line of the watch at `path`."""
        kind = _kind_at(path)
        if kind is None or (kind != VECTOR_COLLECTION and len(line) < LONG_LINE):
            return False
        try:
            event = _DECODER.decode(line)
        except msgspec.DecodeError:
            return False  # a bookmark or an error, which kopf handles
        if len(line) < LONG_LINE:
            return self._is_dropped(event, line)
        self._store(kind, event, line)
        return True

    def take(self, path: str, objects: Iterable[Manifest]) -> bool:
        """Store the objects of the list at `path`. Tell whether kopf can do without them."""
        kind = _kind_at(path)
        if kind is None:
            return False
        for manifest in objects:
            self._cache.put(kind, manifest)
        return True

    def _is_dropped(self, event: _Event, line: bytes) -> bool:
        metadata = event.object.metadata
        key = Key(metadata.namespace, metadata.name)
        if self._cache.knows(VECTOR_COLLECTION, key, metadata.uid, int(metadata.resource_version)):
            return event.type in ("ADDED", "MODIFIED")
        if event.type == "DELETED" and self._cache.is_gone(metadata.uid):
            return True
        if not self._cache.is_being_written(VECTOR_COLLECTION, key):
            return False
        # The cache holds the event back until the answer to the write has arrived.
        self._store(VECTOR_COLLECTION, event, line)
        return True

    def _store(self, kind: Kind, event: _Event, line: bytes) -> None:
        metadata = event.object.metadata
        if event.type == "DELETED":
            self._cache.remove(kind, Key(metadata.namespace, metadata.name), metadata.uid)
        else:
            self._cache.put(kind, msgspec.json.decode(line)["object"])


def _kind_at(path: str) -> Kind | None:
    """Return the kind that is listed or watched at the path, in all namespaces or in one."""
    return KINDS.get(_NAMESPACE.sub("", path))
