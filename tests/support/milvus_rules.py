"""What Milvus 2.x and 3.x take for a name and for the form of a collection."""

import re
from collections.abc import Iterator

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_fields import MOST_FIELDS, Field, Form, Function
from quiver.domain.milvus_versions import (
    Feature,
    MilvusVersion,
    can,
    feature_of_field_type,
    feature_of_function,
)
from support.milvus_codes import BAD_PARAMETER, refused, standing

DIMENSIONS = (2, 32768)
MOST_VECTORS, MOST_VECTORS_BEFORE_3 = 10, 4
"""Fields of vectors in one collection, unless a server is told otherwise."""
"""Fields of vectors that a server takes unless it is told otherwise."""
OLD_VECTORS = ("FloatVector", "BinaryVector")
CHECKS_TYPES = MilvusVersion(2, 4)
NULLABLE_TEXTS = MilvusVersion(2, 6, 3)
"""From here on BM25 reads a field that is nullable."""
OUTPUTS = {"BM25": "SparseFloatVector", "MinHash": "BinaryVector"}


def is_name(name: str) -> bool:
    return re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,254}", name) is not None


def check_schema(schema: CollectionSchema, form: Form, version: MilvusVersion | None) -> None:
    """Raises: EngineRefused for a collection that a server of the version does not take."""
    if not is_name(schema.name.rpartition("/")[2]):
        raise refused(BAD_PARAMETER, f"Invalid collection name: {schema.name}")
    if not 1 <= (schema.shards or 1) <= 16:
        raise standing("there are from 1 to 16 shards")
    for field in form.fields:
        check_field(field, version)
    counted = [field for field in form.vectors if field.type in OLD_VECTORS]
    if len(counted) > 1 and not can(version, Feature.SEVERAL_VECTORS):
        raise standing("multiple vector fields is not supported")
    for wrong in _violations(form, version):
        raise refused(BAD_PARAMETER, wrong)


def check_field(field: Field, version: MilvusVersion | None) -> None:
    """Before 2.4 a server takes any type, whether or not it can do anything with it."""
    check_dimension(field)
    sizes = ((field.max_length, 65535), (field.max_capacity, 4096))
    if any(size is not None and not 0 < size <= most for size, most in sizes):
        raise refused(BAD_PARAMETER, f"a size of field {field.name} is out of its range")
    feature = feature_of_field_type(field.type)
    looks = version is None or version >= CHECKS_TYPES
    if looks and feature is not None and not can(version, feature):
        raise refused(BAD_PARAMETER, f"field data type: {field.type} is not supported")
    if not looks and field.type == "Timestamptz" and field.default is not None:
        raise refused(BAD_PARAMETER, "default value type mismatches field schema type")
    if field.nullable and field.is_vector and not can(version, Feature.NULLABLE_VECTOR):
        raise refused(BAD_PARAMETER, f"vector type not support null, fieldName: {field.name}")


def check_dimension(field: Field) -> None:
    if not field.is_vector or field.type == "SparseFloatVector":
        return
    low, high = DIMENSIONS
    if not low <= (field.dimension or 0) <= high:
        raise standing(f"dimension must be from {low} to {high}")
    if field.type == "BinaryVector" and (field.dimension or 0) % 8:
        raise standing("bits come in whole bytes")


def violations_of_function(
    function: Function, form: Form, version: MilvusVersion | None
) -> Iterator[str]:
    """Yield what is wrong with a function over fields of the form."""
    feature = feature_of_function(function.type)
    if feature is not None and not can(version, feature):
        yield f"check function params with unknown function type: {function.type}"
    inputs = [form.find(name) for name in function.input_fields]
    outputs = [form.find(name) for name in function.output_fields]
    if None in inputs:
        yield f"function input field not found: {function.input_fields}"
    for field in outputs:
        if field is None:
            yield f"function output field not found: {function.output_fields}"
        elif field.nullable:
            yield f"function output field cannot be nullable: {field.name}"
    there = [field for field in outputs if field is not None]
    if function.type in OUTPUTS and [field.type for field in there] != [OUTPUTS[function.type]]:
        yield f"{function.type} computes one {OUTPUTS[function.type]}"
    if function.type == "TextEmbedding" and not function.params:
        yield "TextEmbedding function requires params"
    if function.type == "BM25":
        yield from _violations_of_text([field for field in inputs if field is not None], version)


def _violations_of_text(inputs: list[Field], version: MilvusVersion | None) -> Iterator[str]:
    if [field.type for field in inputs] != ["VarChar"]:
        yield "BM25 reads one field of type VarChar"
        return
    (text,) = inputs
    if str(text.params.get("enable_analyzer", "")).lower() != "true":
        yield f"BM25 function input field must set enable_analyzer to true: {text.name}"
    if text.nullable and version is not None and version < NULLABLE_TEXTS:
        yield f"function input field cannot be nullable: {text.name}"


def most_vectors(version: MilvusVersion | None) -> int:
    is_old = version is not None and version < MilvusVersion(3, 0)
    return MOST_VECTORS_BEFORE_3 if is_old else MOST_VECTORS


def _violations(form: Form, version: MilvusVersion | None) -> Iterator[str]:
    names = [field.name for field in form.fields]
    if len(set(names)) < len(names):
        yield "duplicated field name"
    if len(names) > MOST_FIELDS:
        yield f"maximum field's number should be limited to {MOST_FIELDS}"
    if sum(field.primary_key for field in form.fields) != 1:
        yield "primary key is not specified, or there are several"
    if sum(field.partition_key for field in form.fields) > 1:
        yield "there are more than one partition key"
    if sum(field.clustering_key for field in form.fields) > 1:
        yield "there are more than one clustering key"
    if not form.vectors:
        yield "schema does not contain vector field"
    most = most_vectors(version)
    if len(form.vectors) > most:
        yield f"maximum vector field's number should be limited to {most}"
    if len({function.name for function in form.functions}) < len(form.functions):
        yield "duplicate function name"
    for function in form.functions:
        yield from violations_of_function(function, form, version)
