"""Long forms that no server of Milvus takes, for the CRD and for the operator."""

from typing import Any, NamedTuple

from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import VECTORS

SCHEMA = "spec.milvus.schema"
FIELDS, FUNCTIONS, INDEXES = (f"{SCHEMA}.{part}" for part in ("fields", "functions", "indexes"))
KEY: Manifest = {"name": "id", "type": "Int64", "primaryKey": True}
VECTOR: Manifest = {"name": "vector", "type": "FloatVector", "dimension": 8}
TEXT: Manifest = {"name": "text", "type": "VarChar", "maxLength": 64}
TERMS: Manifest = {"name": "terms", "type": "SparseFloatVector"}
BITS: Manifest = {"name": "bits", "type": "BinaryVector", "dimension": 8}
BM25: Manifest = {
    "name": "f",
    "type": "BM25",
    "inputFields": ["text"],
    "outputFields": ["terms"],
}


class Bad(NamedTuple):
    """A spec but for its engine, where the API server sees that it is wrong, and words that the
    server and the operator both have for it. `operators` are other words of the operator's.
    """

    spec: Manifest
    at: str
    words: str
    operators: str | None = None


def whole(*fields: Manifest, **rest: Any) -> Manifest:
    """Return a spec of just these fields."""
    return {"milvus": {"schema": {"fields": list(fields), **rest}}}


def more(*fields: Manifest, **rest: Any) -> Manifest:
    """Return a spec of a key, a vector, and these fields besides."""
    return whole(KEY, VECTOR, *fields, **rest)


def field_of(type_: str, **rest: Any) -> dict[str, Any]:
    """A field `x` of a type, with all that the type requires."""
    needs: dict[str, Any] = {"VarChar": {"maxLength": 8}}
    needs["Array"] = {"elementType": "Int8", "maxCapacity": 8}
    if type_ in VECTORS and type_ != "SparseFloatVector":
        needs[type_] = {"dimension": 8}
    return {"name": "x", "type": type_, **needs.get(type_, {}), **rest}


def bad_field(at: str, words: str, **field: Any) -> Bad:
    """A field `x` beside a key and a vector."""
    return Bad(more({"name": "x", **field}), f"{FIELDS}[2].{at}", words)


def bad_key(at: str, words: str, **role: Any) -> Bad:
    return Bad(whole({**KEY, **role}, VECTOR), f"{FIELDS}[0].{at}", words)


def bad_function(words: str, *fields: Manifest, **function: Any) -> Bad:
    return Bad(more(*fields, functions=[{**BM25, **function}]), FUNCTIONS, words)


def bad_index(words: str, *fields: Manifest, **index: Any) -> Bad:
    return Bad(more(*fields, indexes=[index]), INDEXES, words)


FITS = "does not fit"
WHOLE_NUMBER = "default is a whole number that fits"
MAX_LENGTH = "maxLength is of VarChar, and required there"
DIMENSION = "dimension is of vectors that are not sparse, and required there"
CAPACITY = "maxCapacity is of Array, and required there"
ELEMENT = "elementType is of Array, and required there"
ARRAY: Manifest = {"type": "Array", "elementType": "Int8", "maxCapacity": 8}
TEXTS: Manifest = {**ARRAY, "elementType": "VarChar"}
BAD_SCHEMAS: dict[str, Bad] = {
    "no primary key": Bad(whole(VECTOR), FIELDS, "exactly one field is the primaryKey"),
    "two primary keys": Bad(
        more({**KEY, "name": "x"}), FIELDS, "exactly one field is the primaryKey"
    ),
    "two partition keys": Bad(
        more(*({**TEXT, "name": name, "partitionKey": True} for name in "ab")),
        FIELDS,
        "at most one field is the partitionKey",
    ),
    "two clustering keys": Bad(
        more(*({**TEXT, "name": name, "clusteringKey": True} for name in "ab")),
        FIELDS,
        "at most one field is the clusteringKey",
    ),
    "no vectors": Bad(whole(KEY, TEXT), FIELDS, "at least one field holds vectors"),
    "a field twice": Bad(more(TEXT, TEXT), f"{FIELDS}[3]", "Duplicate value", "one name"),
    "a function twice": Bad(
        more(TEXT, TERMS, functions=[BM25, BM25]), f"{FUNCTIONS}[1]", "Duplicate value", "one name"
    ),
    "two indexes of a field": Bad(
        more(indexes=[{"field": "vector", "type": "FLAT"}] * 2),
        f"{INDEXES}[1]",
        "Duplicate value",
        "a field has two indexes",
    ),
    "a vector without a dimension": bad_field("dimension", DIMENSION, type="FloatVector"),
    "bits without a dimension": bad_field("dimension", DIMENSION, type="BinaryVector"),
    "a sparse vector with one": bad_field(
        "dimension", DIMENSION, type="SparseFloatVector", dimension=8
    ),
    "a number with a dimension": bad_field("dimension", DIMENSION, type="Float", dimension=8),
    "half a byte": bad_field("dimension", "multiple of 8", type="BinaryVector", dimension=12),
    "a text without a length": bad_field("maxLength", MAX_LENGTH, type="VarChar"),
    "a number with a length": bad_field("maxLength", MAX_LENGTH, type="Int8", maxLength=8),
    "texts without a length": bad_field("maxLength", MAX_LENGTH, **TEXTS),
    "numbers with a length": bad_field("maxLength", MAX_LENGTH, **ARRAY, maxLength=8),
    "an array without a capacity": bad_field(
        "maxCapacity", CAPACITY, type="Array", elementType="Int8"
    ),
    "a document with a capacity": bad_field("maxCapacity", CAPACITY, type="JSON", maxCapacity=8),
    "an array of nothing": bad_field("elementType", ELEMENT, type="Array", maxCapacity=8),
    "a number of something": bad_field("elementType", ELEMENT, type="Int8", elementType="Int8"),
    "an id that is no key": bad_field(
        "autoID", "autoID is of the primary key", type="Int64", autoID=True
    ),
    "a key of another type": bad_key("type", "a key is of type Int64 or VarChar", type="Int32"),
    "a partition key of another type": bad_field(
        "type", "a key is of type Int64 or VarChar", type="Bool", partitionKey=True
    ),
    "a key that partitions": bad_key(
        "primaryKey", "the primary key is no other key", partitionKey=True
    ),
    "a key that clusters": bad_key(
        "primaryKey", "the primary key is no other key", clusteringKey=True
    ),
    "a nullable key": bad_key("nullable", "a key is not nullable", nullable=True),
    "a nullable partition key": bad_field(
        "nullable", "a key is not nullable", type="Int64", partitionKey=True, nullable=True
    ),
    **{
        f"{type_} as a clustering key": bad_field(
            "clusteringKey", "is no clusteringKey", type=type_, clusteringKey=True
        )
        for type_ in ("Bool", "JSON", "Geometry", "SparseFloatVector")
    },
    "a key with a default": bad_key("default", "have no default", default=1),
    **{
        f"{type_} with a default": bad_field("default", "have no default", type=type_, default="x")
        for type_ in ("JSON", "Geometry", "SparseFloatVector")
    },
    **{
        f"{type_} that is {default} when absent": bad_field(
            "default", WHOLE_NUMBER, type=type_, default=default
        )
        for type_, default in (
            *(("Int8", 128), ("Int8", "-129"), ("Int16", 32768), ("Int32", 2147483648)),
            *(("Int32", "one"), ("Int64", "1.5"), ("Int64", ""), ("Int8", "99999999999999999999")),
        )
    },
    **{
        f"{type_} that is {default!r} when absent": bad_field(
            "default", "default is a number", type=type_, default=default
        )
        for type_, default in (("Float", "half"), ("Double", ""), ("Double", "1,5"), ("Float", "."))
    },
    **{
        f"a Bool that is {default!r} when absent": bad_field(
            "default", 'default is "true" or "false"', type="Bool", default=default
        )
        for default in ("yes", 1, "True")
    },
    "a function of no field": bad_function("names a field that there is not", TERMS),
    "a function that fills no field": bad_function("names a field that there is not", TEXT),
    "a model that reads no field": bad_function(
        "names a field that there is not", type="TextEmbedding", outputFields=["vector"]
    ),
    "BM25 of a number": bad_function(
        "BM25 reads one VarChar and fills one", {**KEY, "name": "text", "primaryKey": False}, TERMS
    ),
    "BM25 into dense vectors": bad_function(
        "BM25 reads one VarChar and fills one", TEXT, outputFields=["vector"]
    ),
    "BM25 of two texts": bad_function(
        "BM25 reads one VarChar and fills one",
        *(TEXT, TERMS, {**TEXT, "name": "other"}),
        inputFields=["text", "other"],
    ),
    "BM25 into two": bad_function(
        "BM25 reads one VarChar and fills one",
        *(TEXT, TERMS, {**TERMS, "name": "other"}),
        outputFields=["terms", "other"],
    ),
    "MinHash into sparse vectors": bad_function(
        "MinHash reads one VarChar and fills one", TEXT, TERMS, type="MinHash"
    ),
    "a nullable field that a function fills": Bad(
        more(TEXT, {**TERMS, "nullable": True}, functions=[BM25]),
        FIELDS,
        "a field that a function fills is no key and not nullable",
    ),
    "an index of no field": bad_index(
        "an index is of a field that there is not", field="x", type="FLAT"
    ),
    "IVF_FLAT over bits": bad_index(FITS, BITS, field="bits", type="IVF_FLAT"),
    "BIN_FLAT over numbers": bad_index(FITS, field="vector", type="BIN_FLAT"),
    "HNSW over a text": bad_index(FITS, TEXT, field="text", type="HNSW"),
    "cosine of bits": bad_index(FITS, BITS, field="bits", type="BIN_FLAT", metricType="COSINE"),
    "L2 of sparse vectors": bad_index(
        FITS, TERMS, field="terms", type="SPARSE_WAND", metricType="L2"
    ),
    "a metric of a text": bad_index(FITS, TEXT, field="text", type="INVERTED", metricType="L2"),
    **{
        f"{name} as a property": Bad(
            {"dimension": 8, "milvus": {"properties": {name: "1"}}},
            "spec.milvus.properties",
            "not set as",
        )
        for name in ("dynamicfield.enabled", "consistency_level", "collection.replica.number")
    },
    "neither form": Bad(
        {}, "spec.dimension", "Required value", "dimension or milvus.schema is required"
    ),
    **{
        f"{name} beside it": Bad(
            more() | {name: value}, SCHEMA, "have no place beside milvus.schema"
        )
        for name, value in (
            ("dimension", 8),
            ("metricType", "L2"),
            ("index", {"type": "AUTOINDEX", "params": {}}),
        )
    },
    "partitions and a partition key": Bad(
        more({**TEXT, "partitionKey": True}) | {"partitions": ["a"]},
        "spec.partitions",
        "partitions and a partitionKey exclude each other",
    ),
}
