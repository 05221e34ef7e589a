"""Collections in the protocol: the short form that Quiver creates, and what a server describes."""

from collections.abc import Iterator, Mapping

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.answers import MOST_ENTRIES
from quiver.adapters.milvus.calls import entries_in, pairs
from quiver.adapters.milvus.errors import PROTOCOL
from quiver.adapters.milvus.names import NAME_LIMIT, Place
from quiver.domain.collections import CollectionSchema, ObservedCollection
from quiver.domain.fit import BINARY_METRICS
from quiver.domain.text import one_line
from quiver_proto import milvus2_pb2 as pb

KEY_FIELD = "id"
VECTOR_FIELD = "vector"
DYNAMIC_FIELD = "$meta"
"""Milvus' name of the field that takes what the schema does not name."""
DIMENSION_DIGITS = 9
FIELD_NAME = 64
"""Characters of a field's name in messages."""
VECTORS = (pb.FLOAT_VECTOR, pb.BINARY_VECTOR)
CONSISTENCY_LEVELS = {
    pb.STRONG: "Strong",
    pb.SESSION: "Session",
    pb.BOUNDED: "Bounded",
    pb.EVENTUALLY: "Eventually",
    pb.CUSTOMIZED: "Customized",
}
_LEVEL_NUMBERS = {name: number for number, name in CONSISTENCY_LEVELS.items()}
DEFAULT_LEVEL = "Bounded"
"""A request must say one; Milvus' own clients say this."""


def create_request(
    place: Place, schema: CollectionSchema, properties: Mapping[str, str]
) -> pb.CreateCollectionRequest:
    """Return the request for a collection of the short form. 0 shards leave it to the server."""
    key = pb.FieldSchema(name=KEY_FIELD, is_primary_key=True, data_type=pb.INT64, auto_id=True)
    vector = pb.FieldSchema(
        name=VECTOR_FIELD,
        data_type=vector_type(schema.metric_type),
        type_params=pairs({"dim": str(schema.dimension)}),
    )
    form = pb.CollectionSchema(
        name=place.collection, fields=[key, vector], enable_dynamic_field=True
    )
    return pb.CreateCollectionRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        schema=form.SerializeToString(),
        shards_num=schema.shards or 0,
        consistency_level=_LEVEL_NUMBERS[schema.consistency_level or DEFAULT_LEVEL],
        properties=pairs(properties),
    )


def vector_type(metric_type: str | None) -> pb.DataType.ValueType:
    """Return the type of the vectors that the metric compares."""
    return pb.BINARY_VECTOR if metric_type in BINARY_METRICS else pb.FLOAT_VECTOR


def observed(
    place: Place,
    found: pb.DescribeCollectionResponse,
    partitions: frozenset[str],
    metric_type: str | None,
) -> ObservedCollection:
    """Return the description in the domain's words. `metric_type` is that of the index.

    Its name is the collection's own, and differs from `place` if that leads to an alias.
    Raises: EngineRefused for a description that Milvus never gives.
    """
    form, vector = found.schema, vector_field(found)
    counts = (form.fields, form.functions, form.struct_array_fields, found.aliases)
    if any(len(some) > MOST_ENTRIES for some in counts):
        raise unreadable("the collection", PROTOCOL)
    level = found.consistency_level
    schema = CollectionSchema(
        name=Place(place.database, one_line(form.name, NAME_LIMIT)).name,
        dimension=0 if vector is None else _dimension(vector),
        metric_type=metric_type,
        shards=found.shards_num or None,
        consistency_level=CONSISTENCY_LEVELS.get(level, f"number {level}"),
    )
    return ObservedCollection(
        schema=schema,
        partitions=partitions,
        aliases=frozenset(one_line(alias, NAME_LIMIT) for alias in found.aliases),
        properties=entries_in(found.properties, "its properties"),
        other_fields=tuple(one_line(name, FIELD_NAME) for name in _other_fields(form)),
    )


def vector_field(found: pb.DescribeCollectionResponse) -> pb.FieldSchema | None:
    """Return the field that Quiver's index is on; None if the collection has no such field."""
    fields = found.schema.fields
    return next((f for f in fields if f.name == VECTOR_FIELD and f.data_type in VECTORS), None)


def has_bits(found: pb.DescribeCollectionResponse) -> bool:
    """Tell whether the collection's vectors are binary."""
    vector = vector_field(found)
    return vector is not None and vector.data_type == pb.BINARY_VECTOR


def _dimension(field: pb.FieldSchema) -> int:
    text = entries_in(field.type_params, "its fields").get("dim", "")
    if not (text.isascii() and text.isdigit() and len(text) <= DIMENSION_DIGITS):
        raise unreadable("its dimension", PROTOCOL)
    return int(text)


def _other_fields(form: pb.CollectionSchema) -> Iterator[str]:
    """Yield the names of fields that the short form has not, or has otherwise."""
    plain = {field.name for field in form.fields if _is_of_short_form(field)}
    for field in form.fields:
        if field.name not in plain and not field.is_dynamic:
            yield field.name
    named = {field.name for field in form.fields}
    yield from (name for name in (KEY_FIELD, VECTOR_FIELD) if name not in named)
    if not form.enable_dynamic_field:
        yield DYNAMIC_FIELD
    yield from (function.name for function in form.functions)
    yield from (field.name for field in form.struct_array_fields)


def _is_of_short_form(field: pb.FieldSchema) -> bool:
    special = (
        field.is_partition_key,
        field.is_clustering_key,
        field.nullable,
        field.is_function_output,
    )
    if any(special):
        return False
    if field.name == KEY_FIELD:
        return field.is_primary_key and field.auto_id and field.data_type == pb.INT64
    return field.name == VECTOR_FIELD and field.data_type in VECTORS
