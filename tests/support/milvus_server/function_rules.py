"""What a function over fields of a collection may be."""

from collections.abc import Iterable

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import VECTORS, entries
from support.milvus_server.refusals import wrong
from support.milvus_server.versions import FUNCTIONS_SINCE, NULLABLE_TEXTS, TEXT, Version

_TEXTS = frozenset({pb.VARCHAR, TEXT})
_EMBEDDINGS = frozenset({pb.FLOAT_VECTOR, pb.INT8_VECTOR})
_OUTPUTS = {
    pb.BM25: frozenset({pb.SPARSE_FLOAT_VECTOR}),
    pb.MIN_HASH: frozenset({pb.BINARY_VECTOR}),
    pb.TEXT_EMBEDDING: _EMBEDDINGS,
}


def check_functions(schema: pb.CollectionSchema, version: Version) -> None:
    """Raises: Refusal. Notes which fields are computed."""
    names: set[str] = set()
    computed: set[str] = set()
    for function in schema.functions:
        if function.name in names:
            raise wrong(f"duplicate function name: {function.name}")
        names.add(function.name)
        check_function(function, schema.fields, version)
        for name in function.output_field_names:
            if name in computed:
                raise wrong(f"function output field is the output of another one: {name}")
            computed.add(name)
    for field in schema.fields:
        field.is_function_output = field.name in computed


def check_function(
    function: pb.FunctionSchema, fields: Iterable[pb.FieldSchema], version: Version
) -> None:
    since = FUNCTIONS_SINCE.get(function.type)
    if since is None or version < since:
        raise wrong(f"check function params with unknown function type: {function.type}")
    by_name = {field.name: field for field in fields}
    for name in function.input_field_names:
        if name not in by_name:
            raise wrong(f"function input field not found: {name}")
    for name in function.output_field_names:
        if name not in by_name:
            raise wrong(f"function output field not found: {name}")
        _check_output(by_name[name])
    inputs = [by_name[name] for name in function.input_field_names]
    outputs = [by_name[name] for name in function.output_field_names]
    _check_sides(function, inputs, outputs)
    if function.type == pb.BM25:
        _check_text(function, inputs[0], version)
    if function.type == pb.TEXT_EMBEDDING and not function.params:
        raise wrong(f"function {function.name}: provider is required in params")


def _check_output(field: pb.FieldSchema) -> None:
    if field.is_primary_key:
        raise wrong(f"function output field cannot be primary key: {field.name}")
    if field.is_partition_key or field.is_clustering_key:
        raise wrong(
            f"function output field cannot be partition key or clustering key: {field.name}"
        )
    if field.nullable:
        raise wrong(f"function output field cannot be nullable: {field.name}")


def _check_sides(
    function: pb.FunctionSchema, inputs: list[pb.FieldSchema], outputs: list[pb.FieldSchema]
) -> None:
    if len(inputs) != 1 or inputs[0].data_type not in _TEXTS:
        raise wrong(f"function {function.name} takes exactly 1 VarChar field")
    types = _OUTPUTS[function.type]
    assert types <= VECTORS
    if len(outputs) != 1 or outputs[0].data_type not in types:
        raise wrong(f"function {function.name} computes 1 field, and not of this type")


def _check_text(function: pb.FunctionSchema, text: pb.FieldSchema, version: Version) -> None:
    if entries(text.type_params).get("enable_analyzer", "").lower() != "true":
        raise wrong(f"BM25 function input field must set enable_analyzer to true: {text.name}")
    if text.nullable and version < NULLABLE_TEXTS:
        raise wrong(f"function input field cannot be nullable: {text.name}")
    if function.params:
        raise wrong("BM25 function accepts no params")
