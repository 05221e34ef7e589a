"""What a collection may be when it is created."""

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS
from support.milvus_server.default_rules import check_default
from support.milvus_server.field_rules import check_field
from support.milvus_server.function_rules import check_functions
from support.milvus_server.names import is_name
from support.milvus_server.refusals import wrong
from support.milvus_server.versions import (
    CLUSTERING_KEYS,
    FUNCTIONS,
    MORE_VECTORS,
    NULLABLE,
    Version,
)

MOST_FIELDS = 64
MOST_SHARDS = 16
SYSTEM = frozenset({"RowID", "Timestamp", "$meta", "$namespace_id", "__virtual_pk__"})


def most_vectors(version: Version) -> int:
    return 10 if version >= MORE_VECTORS else 4


def as_read(schema: pb.CollectionSchema, version: Version) -> None:
    """Forget what a server of the version does not read of the protocol."""
    if version < FUNCTIONS:
        del schema.functions[:]
    for field in schema.fields:
        if version < NULLABLE:
            field.nullable = False
        if version < CLUSTERING_KEYS:
            field.is_clustering_key = False


def check_collection(request: pb.CreateCollectionRequest, schema: pb.CollectionSchema) -> None:
    if not is_name(request.collection_name):
        raise wrong(f"Invalid collection name: {request.collection_name}")
    if schema.name != request.collection_name:
        raise wrong(f"collection name not match: {schema.name}")
    if not 0 <= request.shards_num <= MOST_SHARDS:
        raise wrong(f"maximum shards's number should be limited to {MOST_SHARDS}")


def check_schema(schema: pb.CollectionSchema, version: Version) -> None:
    """Raises: Refusal. Notes which fields are computed by functions."""
    names = [field.name for field in schema.fields]
    if len(names) > MOST_FIELDS:
        raise wrong(f"maximum field's number should be limited to {MOST_FIELDS}")
    if len(set(names)) < len(names):
        raise wrong("duplicated field name")
    for field in schema.fields:
        if field.name in SYSTEM:
            raise wrong(f"field name {field.name} is reserved")
        check_field(field, version)
        check_default(field)
    _check_counts(schema, version)
    check_functions(schema, version)


def _check_counts(schema: pb.CollectionSchema, version: Version) -> None:
    fields = schema.fields
    if sum(field.is_primary_key for field in fields) != 1:
        raise wrong("primary key is not specified, or there are more than one primary key")
    if sum(field.is_partition_key for field in fields) > 1:
        raise wrong("there are more than one partition key")
    if sum(field.is_clustering_key for field in fields) > 1:
        raise wrong("there are more than one clustering key")
    vectors = sum(field.data_type in VECTORS for field in fields)
    if vectors == 0:
        raise wrong("schema does not contain vector field")
    if vectors > most_vectors(version):
        raise wrong(f"maximum vector field's number should be limited to {most_vectors(version)}")
