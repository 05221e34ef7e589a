"""Fields and functions in the protocol, and as a server describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.answers import cut
from quiver.adapters.milvus.calls import entries_in, pairs
from quiver.adapters.milvus.defaults import default_of, value_of
from quiver.adapters.milvus.errors import PROTOCOL
from quiver.adapters.milvus.names import NAME_LIMIT
from quiver.domain.milvus_fields import (
    VECTORS,
    ElementType,
    Field,
    FieldType,
    Form,
    Function,
    FunctionType,
)
from quiver.domain.text import one_line
from quiver_proto import milvus2_pb2 as pb

TYPES: Mapping[FieldType, pb.DataType.ValueType] = MappingProxyType(
    {
        "Bool": pb.BOOL,
        "Int8": pb.INT8,
        "Int16": pb.INT16,
        "Int32": pb.INT32,
        "Int64": pb.INT64,
        "Float": pb.FLOAT,
        "Double": pb.DOUBLE,
        "VarChar": pb.VARCHAR,
        "JSON": pb.JSON,
        "Array": pb.ARRAY,
        "Geometry": pb.GEOMETRY,
        "Timestamptz": pb.TIMESTAMPTZ,
        "FloatVector": pb.FLOAT_VECTOR,
        "Float16Vector": pb.FLOAT16_VECTOR,
        "BFloat16Vector": pb.BFLOAT16_VECTOR,
        "Int8Vector": pb.INT8_VECTOR,
        "BinaryVector": pb.BINARY_VECTOR,
        "SparseFloatVector": pb.SPARSE_FLOAT_VECTOR,
    }
)
ELEMENTS: Mapping[ElementType, pb.DataType.ValueType] = MappingProxyType(
    {
        "Bool": pb.BOOL,
        "Int8": pb.INT8,
        "Int16": pb.INT16,
        "Int32": pb.INT32,
        "Int64": pb.INT64,
        "Float": pb.FLOAT,
        "Double": pb.DOUBLE,
        "VarChar": pb.VARCHAR,
    }
)
FUNCTIONS: Mapping[FunctionType, pb.FunctionType.ValueType] = MappingProxyType(
    {"BM25": pb.BM25, "TextEmbedding": pb.TEXT_EMBEDDING, "MinHash": pb.MIN_HASH}
)
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
_ELEMENT_NAMES = {number: name for name, number in ELEMENTS.items()}
_FUNCTION_NAMES = {number: name for name, number in FUNCTIONS.items()}

DIMENSION, MAX_LENGTH, MAX_CAPACITY = "dim", "max_length", "max_capacity"
DIGITS = 9
DESCRIPTION, PARAM_NAME, PARAM = 1024, 256, 4096
"""Characters of what a server tells: as many as a spec has of it."""


def field_schema(field: Field) -> pb.FieldSchema:
    """Return the field as a request has it. Raises: EngineRefused for a default that cannot be."""
    known = {
        DIMENSION: field.dimension,
        MAX_LENGTH: field.max_length,
        MAX_CAPACITY: field.max_capacity,
    }
    params = {key: str(value) for key, value in known.items() if value is not None}
    params |= {key: str(value) for key, value in field.params.items()}
    return pb.FieldSchema(
        name=field.name,
        description=field.description,
        data_type=TYPES[field.type],
        element_type=pb.DATA_TYPE_NONE if field.element_type is None else TYPES[field.element_type],
        is_primary_key=field.primary_key,
        auto_id=field.auto_id,
        is_partition_key=field.partition_key,
        is_clustering_key=field.clustering_key,
        nullable=field.nullable,
        default_value=None if field.default is None else value_of(field),
        type_params=pairs(params),
    )


def function_schema(function: Function) -> pb.FunctionSchema:
    return pb.FunctionSchema(
        name=function.name,
        description=function.description,
        type=FUNCTIONS[function.type],
        input_field_names=function.input_fields,
        output_field_names=function.output_fields,
        params=pairs({key: str(value) for key, value in function.params.items()}),
    )


def form_of(found: pb.CollectionSchema) -> Form:
    """Return what a spec can say of the form. Raises: EngineRefused for what Milvus never tells."""
    fields = (_field(field) for field in found.fields if not field.is_dynamic)
    functions = (function_of(function) for function in found.functions)
    return Form(
        fields=tuple(field for field in fields if field is not None),
        dynamic_fields=found.enable_dynamic_field,
        functions=tuple(function for function in functions if function is not None),
    )


def function_of(found: pb.FunctionSchema) -> Function | None:
    """Return the function; None for one of a kind that no spec can say."""
    type_ = _FUNCTION_NAMES.get(found.type)
    if type_ is None:
        return None
    return Function(
        name=one_line(found.name, NAME_LIMIT),
        type=type_,
        input_fields=tuple(one_line(name, NAME_LIMIT) for name in found.input_field_names),
        output_fields=tuple(one_line(name, NAME_LIMIT) for name in found.output_field_names),
        description=cut(found.description, DESCRIPTION),
        params=_params(entries_in(found.params, "its functions")),
    )


def others_in(found: pb.CollectionSchema) -> Iterator[str]:
    """Yield the names of fields and functions of kinds that no spec can say."""
    yield from (f.name for f in found.fields if not (f.is_dynamic or _is_known(f)))
    yield from (f.name for f in found.functions if f.type not in _FUNCTION_NAMES)
    yield from (field.name for field in found.struct_array_fields)


def is_vector(found: pb.FieldSchema) -> bool:
    return _TYPE_NAMES.get(found.data_type) in VECTORS


def _is_known(found: pb.FieldSchema) -> bool:
    is_array = found.data_type == pb.ARRAY
    return found.data_type in _TYPE_NAMES and (not is_array or found.element_type in _ELEMENT_NAMES)


def _field(found: pb.FieldSchema) -> Field | None:
    if not _is_known(found):
        return None
    type_ = _TYPE_NAMES[found.data_type]
    element = _ELEMENT_NAMES[found.element_type] if type_ == "Array" else None
    params = entries_in(found.type_params, "its fields")
    has_dimension = type_ in VECTORS and type_ != "SparseFloatVector"
    is_text = "VarChar" in (type_, element)
    return Field(
        name=one_line(found.name, NAME_LIMIT),
        type=type_,
        description=cut(found.description, DESCRIPTION),
        primary_key=found.is_primary_key,
        auto_id=found.auto_id,
        partition_key=found.is_partition_key,
        clustering_key=found.is_clustering_key,
        nullable=found.nullable,
        default=default_of(found.default_value),
        dimension=_number(params.pop(DIMENSION, ""), "its dimension") if has_dimension else None,
        max_length=_limit(params, MAX_LENGTH) if is_text else None,
        max_capacity=_limit(params, MAX_CAPACITY) if element is not None else None,
        element_type=element,
        params=_params(params),
    )


def _limit(params: dict[str, str], key: str) -> int | None:
    text = params.pop(key, None)
    return None if text is None else _number(text, f"the {key} of its fields")


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise unreadable(what, PROTOCOL)
    return int(text)


def _params(entries: Mapping[str, str]) -> dict[str, int | str]:
    """Return parameters as they are, since they are compared, and no longer than those of a
    spec.
    """
    return {one_line(key, PARAM_NAME): cut(value, PARAM) for key, value in entries.items()}
