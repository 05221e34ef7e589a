"""Long forms that specs ask for, and what a server's collection has of one, in this model's own
words.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, FieldIndex, Form
from simulation.milvus_specs import is_on_milvus

FIXED = (
    "type",
    "element_type",
    "dimension",
    "primary_key",
    "auto_id",
    "partition_key",
    "clustering_key",
    "nullable",
)
"""Attributes of a field that nothing changes."""
LENGTHS = {"max_length": "maxLength", "max_capacity": "maxCapacity"}
"""Attributes that grow, with their names in specs."""
VECTORS = ("FloatVector", "BinaryVector", "SparseFloatVector")
"""The types of vectors that users of simulations have."""

Version = tuple[int, ...]


def schema_of(manifest: Manifest) -> Manifest | None:
    """Return the long form of a VectorCollection on Milvus; None if it has the short one."""
    if not is_on_milvus(manifest):
        return None
    found: Manifest | None = manifest["spec"].get("milvus", {}).get("schema")
    return found


def field_of(schema: Manifest, name: str) -> Manifest | None:
    return next((field for field in schema["fields"] if field["name"] == name), None)


def functions_of(schema: Manifest) -> list[Manifest]:
    return list(schema.get("functions", ()))


def index_of(schema: Manifest, field: str) -> Manifest | None:
    return next((i for i in schema.get("indexes", ()) if i["field"] == field), None)


def is_vector(field: Manifest) -> bool:
    return field["type"] in VECTORS


def outputs_of(functions: list[Manifest]) -> set[str]:
    return {name for function in functions for name in function["outputFields"]}


def converted(field: Manifest) -> Field:
    return msgspec.convert(field, Field)


def metric_of(schema: Manifest, index: Manifest) -> str | None:
    """Return what an index measures; None where it measures nothing."""
    field = field_of(schema, index["field"])
    told: str | None = index.get("metricType")
    if told is not None or field is None or not is_vector(field):
        return told
    return plain_metric_of(schema, field)


def plain_metric_of(schema: Manifest, field: Manifest) -> str:
    """Return what is measured where the spec does not say it."""
    if field["name"] in outputs_of(functions_of(schema)):
        return "BM25"
    return {"FloatVector": "L2", "BinaryVector": "HAMMING", "SparseFloatVector": "IP"}[
        field["type"]
    ]


def plain_type_of(field: Manifest) -> str:
    """Return the index that searches by brute force."""
    return {
        "FloatVector": "FLAT",
        "BinaryVector": "BIN_FLAT",
        "SparseFloatVector": "SPARSE_INVERTED_INDEX",
    }[field["type"]]


def is_index_met(schema: Manifest, wanted: Manifest, found: FieldIndex) -> bool:
    """Tell whether an index has all that the spec asks for."""
    if (found.type, found.metric_type) != (wanted["type"], metric_of(schema, wanted)):
        return False
    asked: dict[str, Any] = wanted.get("params", {})
    return all(str(found.params.get(key)) == str(value) for key, value in asked.items())


def is_of(schema: Manifest, form: Form, *, may_grow: bool) -> bool:
    """Tell whether a collection is what the schema says in what is fixed or, with `may_grow`, can
    become that by additions.
    """
    names = {field["name"] for field in schema["fields"]}
    if any(field.name not in names for field in form.fields):
        return False
    if not all(_is_field(field, form, schema, may_grow=may_grow) for field in schema["fields"]):
        return False
    dynamic = bool(schema.get("dynamicFields", False))
    if dynamic != form.dynamic_fields and not (dynamic and may_grow):
        return False
    return _are_functions(schema, form, may_grow=may_grow)


def lacks(schema: Manifest, form: Form) -> Iterator[str]:
    """Yield what the collection does not have yet, or has otherwise, of a schema that it can
    become.
    """
    for wanted in schema["fields"]:
        found, asked = form.find(wanted["name"]), converted(wanted)
        if found is None:
            yield f"without its field {asked.name!r}"
            continue
        yield from (
            f"with {told} {getattr(found, length)} of {asked.name!r}, not {getattr(asked, length)}"
            for length, told in LENGTHS.items()
            if getattr(found, length) != getattr(asked, length)
        )
        if found.description != asked.description:
            yield f"with another description of {asked.name!r}"
    if bool(schema.get("dynamicFields")) != form.dynamic_fields:
        yield "with dynamicFields otherwise"
    there = {function.name for function in form.functions}
    for function in functions_of(schema):
        if function["name"] not in there:
            yield f"without its function {function['name']!r}"


def _is_field(wanted: Manifest, form: Form, schema: Manifest, *, may_grow: bool) -> bool:
    asked, found = converted(wanted), form.find(wanted["name"])
    if found is None:
        there = {function.name for function in form.functions}
        new = [f for f in functions_of(schema) if f["name"] not in there]
        is_key = asked.primary_key or asked.partition_key
        is_addable = (asked.nullable and not is_key) or asked.name in outputs_of(new)
        return may_grow and is_addable
    if any(getattr(asked, name) != getattr(found, name) for name in FIXED):
        return False
    if str(asked.default) != str(found.default):
        return False
    if any(str(found.params.get(key)) != str(value) for key, value in asked.params.items()):
        return False
    return all(_is_length(asked, found, name, may_grow=may_grow) for name in LENGTHS)


def _is_length(asked: Field, found: Field, name: str, *, may_grow: bool) -> bool:
    wanted, there = getattr(asked, name), getattr(found, name)
    if wanted is None or there is None:
        return bool(wanted == there)
    return bool(wanted == there or (may_grow and wanted > there))


def _are_functions(schema: Manifest, form: Form, *, may_grow: bool) -> bool:
    wanted = {function["name"]: function for function in functions_of(schema)}
    for function in form.functions:
        asked = wanted.pop(function.name, None)
        told = function.type, list(function.input_fields), list(function.output_fields)
        if asked is None or told != (asked["type"], asked["inputFields"], asked["outputFields"]):
            return False
    # A function is added with its output field, or not at all.
    are_new = all(form.find(name) is None for name in outputs_of(list(wanted.values())))
    return not wanted or (may_grow and are_new)


# What needs which version.


def version_of(told: str) -> Version:
    return tuple(map(int, told.lstrip("v").split(".")))


def is_too_new(schema: Manifest, version: Version) -> bool:
    """Tell whether a server of the version can have no such collection."""
    needed: list[Version] = [(2, 4)]
    for field in schema["fields"]:
        if field.get("nullable"):
            needed.append((2, 6, 18) if is_vector(field) else (2, 5))
        if "default" in field:
            needed.append((2, 5))
    if functions_of(schema):
        needed.append((2, 5))
    return version < max(needed)


def is_growth_too_new(schema: Manifest, form: Form, version: Version) -> bool:
    """Tell whether a server of the version cannot add or change all that the collection lacks."""
    needed: list[Version] = [(2, 4)]
    there = {function.name for function in form.functions}
    new = [f for f in functions_of(schema) if f["name"] not in there]
    needed += [(3, 0) for _ in new]
    for wanted in schema["fields"]:
        found, asked = form.find(wanted["name"]), converted(wanted)
        if found is not None:
            grows = any(getattr(found, name) != getattr(asked, name) for name in LENGTHS)
            needed += [(2, 5)] if grows else []
            needed += [(2, 6)] if found.description != asked.description else []
        elif asked.name not in outputs_of(new):
            needed.append((2, 6, 18) if is_vector(wanted) else (2, 6))
    if schema.get("dynamicFields") and not form.dynamic_fields:
        needed.append((2, 6, 6))
    return version < max(needed)
