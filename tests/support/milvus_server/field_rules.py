"""What a field of a collection may be."""

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS, entries
from support.milvus_server.names import is_name
from support.milvus_server.refusals import wrong
from support.milvus_server.versions import (
    CLUSTERING_KEYS,
    NULLABLE_VECTORS,
    TEXT,
    TYPES_SINCE,
    Version,
    name_of,
)

INTEGERS = frozenset({pb.INT8, pb.INT16, pb.INT32, pb.INT64})
NUMBERS = INTEGERS | {pb.FLOAT, pb.DOUBLE}
ELEMENTS = NUMBERS | {pb.BOOL, pb.VARCHAR}
KEYS = frozenset({pb.INT64, pb.VARCHAR})
_NOT_CLUSTERED = VECTORS | {pb.BOOL, pb.JSON, pb.ARRAY, pb.GEOMETRY, TEXT}
SMALLEST, LARGEST = 2, 32768
BITS = 8 * LARGEST
LONGEST, MOST_ELEMENTS = 65535, 4096


def check_field(field: pb.FieldSchema, version: Version) -> None:
    """Raises: Refusal for what no collection of this version may have."""
    if not is_name(field.name):
        raise wrong(f"Invalid field name: {field.name}. The first character must be a letter")
    _check_type(field, version)
    params = _params_of(field)
    if field.data_type in VECTORS:
        _check_vector(field, params, version)
    if pb.VARCHAR in (field.data_type, field.element_type):
        check_number(field, params.get("max_length"), "max_length", LONGEST)
    if field.data_type == pb.ARRAY:
        if field.element_type not in ELEMENTS:
            raise wrong(f"element type {name_of(field.element_type)} is not supported")
        check_number(field, params.get("max_capacity"), "max_capacity", MOST_ELEMENTS)
    _check_roles(field, version)


def check_number(field: pb.FieldSchema, value: str | None, key: str, most: int) -> None:
    if value is None:
        raise wrong(f"type param({key}) should be specified for the field({field.name})")
    if not value.isdecimal() or not 0 < int(value) <= most:
        raise wrong(f"the {key} of field {field.name} should be in (0, {most}], it is {value}")


def _check_type(field: pb.FieldSchema, version: Version) -> None:
    since = TYPES_SINCE.get(field.data_type)
    if since is None or version < since:
        raise wrong(f"field data type: {name_of(field.data_type)} is not supported")


def _params_of(field: pb.FieldSchema) -> dict[str, str]:
    keys = [pair.key for pair in field.type_params]
    if len(set(keys)) < len(keys):
        raise wrong(f"duplicated key in type params of field {field.name}")
    return entries(field.type_params)


def _check_vector(field: pb.FieldSchema, params: dict[str, str], version: Version) -> None:
    if field.nullable and version < NULLABLE_VECTORS:
        raise wrong(f"vector type not support null, fieldName: {field.name}")
    if field.data_type == pb.SPARSE_FLOAT_VECTOR:
        if "dim" in params:
            raise wrong(f"dim should not be specified for sparse vector field {field.name}")
        return
    dim = params.get("dim")
    if dim is None or not dim.isdecimal():
        raise wrong(f"dimension is not defined in field type params of field {field.name}")
    largest = BITS if field.data_type == pb.BINARY_VECTOR else LARGEST
    if not SMALLEST <= int(dim) <= largest:
        reason = f"invalid dimension: {dim} of field {field.name}. It should be in range 2 to"
        raise wrong(f"{reason} {largest}")
    if field.data_type == pb.BINARY_VECTOR and int(dim) % 8:
        raise wrong(f"invalid dimension: {dim} of field {field.name}. Should be multiple of 8.")


def _check_roles(field: pb.FieldSchema, version: Version) -> None:
    name, is_key = field.name, field.is_primary_key or field.is_partition_key
    if is_key and field.data_type not in KEYS:
        raise wrong(f"the data type of a key should be Int64 or VarChar, field {name}")
    if field.is_primary_key and field.is_partition_key:
        raise wrong("the partition key field must not be primary field")
    if field.nullable and is_key:
        raise wrong(f"a key not support null, field {name}")
    if field.auto_id and not field.is_primary_key:
        raise wrong("only primary field can speficy AutoID with true")
    if field.is_clustering_key and version >= CLUSTERING_KEYS and field.data_type in _NOT_CLUSTERED:
        raise wrong(f"clustering key field {name} has unsupported data type")
