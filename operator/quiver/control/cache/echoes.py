"""Filters out events of a watch that the cache knows: most of them are echoes of our own writes."""

import msgspec

from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key

API = f"/apis/{VECTOR_COLLECTION.group}/{VECTOR_COLLECTION.version}/"
RESOURCE = f"/{VECTOR_COLLECTION.plural}"


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
    """Drops events that would change nothing, since kopf makes a task and a queue for each.

    A collection costs two writes, and the watch returns an event for each.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def __call__(self, path: str, line: bytes) -> bool:
        """Tell whether kopf can do without the line of the watch at `path`."""
        if not (path.startswith(API) and path.endswith(RESOURCE)):
            return False
        try:
            event = _DECODER.decode(line)
        except msgspec.DecodeError:
            return False  # a bookmark or an error, which kopf handles
        metadata = event.object.metadata
        key = Key(metadata.namespace, metadata.name)
        if self._cache.knows(VECTOR_COLLECTION, key, metadata.uid, int(metadata.resource_version)):
            return event.type in ("ADDED", "MODIFIED")
        if event.type == "DELETED" and self._cache.is_gone(metadata.uid):
            return True
        if not self._cache.is_being_written(VECTOR_COLLECTION, key):
            return False
        # The cache holds the event back until the answer to the write has arrived.
        if event.type == "DELETED":
            self._cache.remove(VECTOR_COLLECTION, key, metadata.uid)
        else:
            self._cache.put(VECTOR_COLLECTION, msgspec.json.decode(line)["object"])
        return True
