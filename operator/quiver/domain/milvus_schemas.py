"""spec.milvus.schema: all fields, functions and indexes of a collection on Milvus, and their rules.

The CRD has the same rules, and a looser one may be installed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta

from quiver.domain.milvus_fields import MOST_FIELDS, VECTORS, Field, FieldIndex, Form, Function
from quiver.domain.milvus_indexes import INDEXES, METRICS

KEYS = ("Int64", "VarChar")
"""The types of a primary key and of a partition key."""
_COMPUTED = {"BM25": "SparseFloatVector", "MinHash": "BinaryVector"}
_WHOLE = {f"Int{bits}": range(-(2 ** (bits - 1)), 2 ** (bits - 1)) for bits in (8, 16, 32, 64)}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")
_WITHOUT_DEFAULT = VECTORS | {"JSON", "Array", "Geometry"}
_WITHOUT_CLUSTERING = VECTORS - {"FloatVector"} | {"JSON", "Array", "Bool", "Geometry"}


class MilvusSchema(Form, frozen=True, kw_only=True):
    indexes: Annotated[tuple[FieldIndex, ...], Meta(max_length=MOST_FIELDS)] = ()

    def __post_init__(self) -> None:
        found = next(_violations(self), None)
        if found is not None:
            raise ValueError(found)

    @property
    def form(self) -> Form:
        """The schema without its indexes, which come and go."""
        return Form(
            fields=self.fields, dynamic_fields=self.dynamic_fields, functions=self.functions
        )

    def index_of(self, field: str) -> FieldIndex | None:
        return next((index for index in self.indexes if index.field == field), None)


def _violations(schema: MilvusSchema) -> Iterator[str]:
    yield from _twice((field.name for field in schema.fields), "two fields have one name")
    yield from _twice((f.name for f in schema.functions), "two functions have one name")
    yield from _twice((index.field for index in schema.indexes), "a field has two indexes")
    if sum(field.primary_key for field in schema.fields) != 1:
        yield "exactly one field is the primaryKey"
    if sum(field.partition_key for field in schema.fields) > 1:
        yield "at most one field is the partitionKey"
    if sum(field.clustering_key for field in schema.fields) > 1:
        yield "at most one field is the clusteringKey"
    if not schema.vectors:
        yield "at least one field holds vectors"
    for field in schema.fields:
        yield from _of_field(field)
    for function in schema.functions:
        yield from _of_function(schema, function)
    for index in schema.indexes:
        yield from _of_index(schema, index)


def _twice(names: Iterable[str], phrase: str) -> Iterator[str]:
    seen = list(names)
    if len(set(seen)) < len(seen):
        yield phrase


def _of_field(field: Field) -> Iterator[str]:
    name, type_ = f"field {field.name!r}", field.type
    if (field.dimension is not None) != (field.is_vector and type_ != "SparseFloatVector"):
        yield f"{name}: dimension is of vectors that are not sparse, and required there"
    if type_ == "BinaryVector" and (field.dimension or 0) % 8:
        yield f"{name}: dimension is a multiple of 8, since bits come in whole bytes"
    is_text = "VarChar" in (type_, field.element_type)
    if (field.max_length is not None) != is_text:
        yield f"{name}: maxLength is of VarChar, and required there"
    if (field.max_capacity is not None) != (type_ == "Array"):
        yield f"{name}: maxCapacity is of Array, and required there"
    if (field.element_type is not None) != (type_ == "Array"):
        yield f"{name}: elementType is of Array, and required there"
    yield from _of_roles(field, name)


def _of_roles(field: Field, name: str) -> Iterator[str]:
    type_ = field.type
    if field.auto_id and not field.primary_key:
        yield f"{name}: autoID is of the primary key"
    if (field.primary_key or field.partition_key) and type_ not in KEYS:
        yield f"{name}: a key is of type {' or '.join(KEYS)}"
    if field.primary_key and (field.partition_key or field.clustering_key):
        yield f"{name}: the primary key is no other key"
    if (field.primary_key or field.partition_key) and field.nullable:
        yield f"{name}: a key is not nullable"
    if field.clustering_key and type_ in _WITHOUT_CLUSTERING:
        yield f"{name}: a field of type {type_} is no clusteringKey"
    if field.default is not None and (field.primary_key or type_ in _WITHOUT_DEFAULT):
        yield f"{name}: the primary key and fields of type {type_} have no default"
    elif field.default is not None:
        yield from _of_default(type_, field.default, name)


def _of_default(type_: str, default: int | str, name: str) -> Iterator[str]:
    text = str(default)
    if type_ in _WHOLE and not (_WHOLE_NUMBER.fullmatch(text) and int(text) in _WHOLE[type_]):
        yield f"{name}: default is a whole number that fits {type_}"
    if type_ in ("Float", "Double") and not _NUMBER.fullmatch(text):
        yield f"{name}: default is a number"
    if type_ == "Bool" and default not in ("true", "false"):
        yield f'{name}: default is "true" or "false"'


def _of_function(schema: MilvusSchema, function: Function) -> Iterator[str]:
    label = f"function {function.name!r}"
    named = (*function.input_fields, *function.output_fields)
    missing = [name for name in named if schema.find(name) is None]
    if missing:
        yield f"{label} names a field that there is not: {missing[0]!r}"
    if function.type in _COMPUTED:
        read, filled = (
            _types(schema, names) for names in (function.input_fields, function.output_fields)
        )
        if read != ["VarChar"] or filled != [_COMPUTED[function.type]]:
            yield (
                f"{label}: a {function.type} reads one VarChar and fills one "
                f"{_COMPUTED[function.type]}"
            )
    for name in function.output_fields:
        field = schema.find(name)
        if field is not None and (field.nullable or _is_key(field)):
            yield f"{label}: a field that a function fills is no key and not nullable: {name!r}"


def _types(schema: MilvusSchema, names: tuple[str, ...]) -> list[str]:
    return [field.type for field in map(schema.find, names) if field is not None]


def _is_key(field: Field) -> bool:
    return field.primary_key or field.partition_key or field.clustering_key


def _of_index(schema: MilvusSchema, index: FieldIndex) -> Iterator[str]:
    field = schema.find(index.field)
    if field is None:
        yield f"an index is of a field that there is not: {index.field!r}"
        return
    allowed, metrics = INDEXES[field.type], METRICS.get(field.type, ())
    if index.type not in allowed:
        yield (
            f"index of {index.field!r}: type {index.type} does not fit {field.type}, which takes "
            f"{', '.join(allowed)}"
        )
    if index.metric_type is not None and index.metric_type not in metrics:
        these = f"which takes {', '.join(metrics)}" if metrics else "which takes none"
        yield (
            f"index of {index.field!r}: metricType {index.metric_type} does not fit {field.type}, "
            f"{these}"
        )
