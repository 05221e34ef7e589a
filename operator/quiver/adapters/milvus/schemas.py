"""Collections in the protocol: those that Quiver creates, and what a server describes."""

from collections.abc import Mapping

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.answers import MOST_ENTRIES
from quiver.adapters.milvus.calls import entries_in, pairs
from quiver.adapters.milvus.errors import PROTOCOL
from quiver.adapters.milvus.fields import field_schema, form_of, function_schema, others_in
from quiver.adapters.milvus.names import NAME_LIMIT, Place
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection
from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import VECTOR_FIELD, short_form
from quiver.domain.text import one_line
from quiver_proto import milvus2_pb2 as pb

FIELD_NAME = 64
"""Characters of a field's name in messages."""
VECTORS = (pb.FLOAT_VECTOR, pb.BINARY_VECTOR)
"""The types of the short form's vectors."""
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


def form_asked_for(schema: CollectionSchema) -> Form:
    """Return the form of the schema, which is short if it has none."""
    return schema.form or short_form(schema.dimension, schema.metric_type)


def create_request(
    place: Place, schema: CollectionSchema, properties: Mapping[str, str]
) -> pb.CreateCollectionRequest:
    """Return the request for a collection. 0 shards leave their number to the server.

    Raises: EngineRefused for a default that cannot be.
    """
    form = form_asked_for(schema)
    message = pb.CollectionSchema(
        name=place.collection,
        fields=[field_schema(field) for field in form.fields],
        functions=[function_schema(function) for function in form.functions],
        enable_dynamic_field=form.dynamic_fields,
    )
    return pb.CreateCollectionRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        schema=message.SerializeToString(),
        shards_num=schema.shards or 0,
        consistency_level=_LEVEL_NUMBERS[schema.consistency_level or DEFAULT_LEVEL],
        properties=pairs(properties),
    )


def observed(
    place: Place,
    found: pb.DescribeCollectionResponse,
    partitions: frozenset[str],
    metric_type: str | None,
) -> ObservedCollection:
    """Return the description in the domain's words. `metric_type` is that of the index of the field
    `vector`.

    Its name is the collection's own, and differs from `place` if that leads to an alias.
    Raises: EngineRefused for a description that Milvus never gives.
    """
    told = found.schema
    counts = (told.fields, told.functions, told.struct_array_fields, found.aliases)
    if any(len(some) > MOST_ENTRIES for some in counts):
        raise unreadable("the collection", PROTOCOL)
    form, level = form_of(told), found.consistency_level
    vector = form.find(VECTOR_FIELD)
    schema = CollectionSchema(
        name=Place(place.database, one_line(told.name, NAME_LIMIT)).name,
        dimension=0 if vector is None else vector.dimension or 0,
        metric_type=metric_type,
        shards=found.shards_num or None,
        consistency_level=CONSISTENCY_LEVELS.get(level, f"number {level}"),
        form=form,
    )
    return ObservedCollection(
        schema=schema,
        partitions=partitions,
        aliases=frozenset(one_line(alias, NAME_LIMIT) for alias in found.aliases),
        properties=entries_in(found.properties, "its properties"),
        other_fields=tuple(one_line(name, FIELD_NAME) for name in others_in(told)),
    )


def field_in(found: pb.DescribeCollectionResponse, name: str) -> pb.FieldSchema | None:
    return next((field for field in found.schema.fields if field.name == name), None)


def has_vector(found: pb.DescribeCollectionResponse) -> bool:
    """Tell whether the collection has the short form's field of vectors."""
    vector = field_in(found, VECTOR_FIELD)
    return vector is not None and vector.data_type in VECTORS


def has_bits(found: pb.DescribeCollectionResponse) -> bool:
    """Tell whether the vectors of that field are binary."""
    vector = field_in(found, VECTOR_FIELD)
    return vector is not None and vector.data_type == pb.BINARY_VECTOR
