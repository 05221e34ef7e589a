"""Whether a CRD that a cluster serves has the fields that this version of Quiver knows."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from quiver.domain.kubernetes_types import Condition, ObjectMeta

_KUBERNETES_OWN = (ObjectMeta, Condition)
_EVERY_OBJECT = frozenset(("apiVersion", "kind", "metadata"))


def lacking(schema: Mapping[str, Any], struct: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the path of each field of the struct that the schema of an object does not have."""
    for path, properties, fields in _pairs(schema, struct, ""):
        yield from (f"{path}{name}" for name in fields if name not in properties)


def unknown(schema: Mapping[str, Any], struct: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the path of each field of the schema that the struct does not know."""
    for path, properties, fields in _pairs(schema, struct, ""):
        known = fields.keys() | (_EVERY_OBJECT if not path else frozenset())
        yield from (f"{path}{name}" for name in properties if name not in known)


def _pairs(
    schema: Mapping[str, Any], struct: type[msgspec.Struct], path: str
) -> Iterator[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    """Yield the properties of each object in the schema beside the fields of its struct."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    yield path, properties, fields
    for name, type_ in fields.items():
        inner, found = _struct_in(type_), properties.get(name)
        if inner is not None and inner not in _KUBERNETES_OWN and isinstance(found, dict):
            below = found.get("items", found)
            yield from _pairs(below, inner, f"{path}{name}.")


def _struct_in(type_: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a field's type is, or holds."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_
    return next(filter(None, map(_struct_in, get_args(type_))), None)
