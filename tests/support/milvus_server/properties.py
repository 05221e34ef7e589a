"""Properties of collections, of which one turns dynamic fields on."""

from collections.abc import Collection, Mapping

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import Catalog, Stored, entries
from support.milvus_server.refusals import LOADED, Refusal, wrong
from support.milvus_server.versions import DYNAMIC_FIELDS_LATER, PROPERTIES_DELETED

DYNAMIC = "dynamicfield.enabled"
TTL = "collection.ttl.seconds"
LAST_FIELD = "max_field_id"
"""A property that the server sets itself."""
FIRST_ID = 100


def check_properties(properties: Mapping[str, str]) -> None:
    ttl = properties.get(TTL)
    if ttl is not None and not ttl.lstrip("-").isdecimal():
        raise wrong(f"collection TTL is not a valid number: {ttl}")


def note_last_field(found: Stored) -> None:
    """Tell the largest number that a field has had."""
    last = FIRST_ID - 1 + len(found.schema.fields) + found.schema.enable_dynamic_field
    found.properties[LAST_FIELD] = str(last)


class Properties:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def alter(self, request: pb.AlterCollectionRequest) -> None:
        found = self._catalog.get(request.db_name, request.collection_name)
        changed, deleted = entries(request.properties), self._deleted(request)
        if bool(changed) == bool(deleted):
            raise wrong("can not provide both of DeleteKeys and ExtraParams, or none")
        is_switch = self._catalog.version >= DYNAMIC_FIELDS_LATER
        if is_switch and DYNAMIC in deleted:
            raise wrong(f"cannot delete key {DYNAMIC}")
        if is_switch and DYNAMIC in changed:
            _switch(found, changed)
            return
        _check_memory(found, [*changed, *deleted])
        check_properties(changed)
        found.properties |= changed
        for key in deleted:
            found.properties.pop(key, None)

    def _deleted(self, request: pb.AlterCollectionRequest) -> list[str]:
        can = self._catalog.version >= PROPERTIES_DELETED
        return list(request.delete_keys) if can else []


def _switch(found: Stored, changed: Mapping[str, str]) -> None:
    if len(changed) > 1:
        raise wrong("cannot alter dynamic schema with other properties at the same time")
    value = changed[DYNAMIC].lower()
    if value not in ("true", "false"):
        raise wrong(f"invalid dynamic schema property value: {value}")
    if value == "false" and found.schema.enable_dynamic_field:
        raise wrong("dynamic schema cannot supported to be disabled")
    if value == "true" and not found.schema.enable_dynamic_field:
        found.schema.enable_dynamic_field = True
        note_last_field(found)


def _check_memory(found: Stored, keys: Collection[str]) -> None:
    fixed = [key for key in keys if key.startswith(("mmap.enabled", "warmup"))]
    if fixed and found.is_loaded:
        raise Refusal(LOADED, f"can not alter {fixed[0]} if collection loaded")
