"""What a long form needs of a version of Milvus, and what its growth needs."""

from collections.abc import Iterator

from quiver.domain.milvus_fields import ADDED_WITH_OUTPUT, Field, Form, Function
from quiver.domain.milvus_forms import DESCRIPTION, Growth
from quiver.domain.milvus_indexes import metric_of
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.milvus_versions import (
    Feature,
    MilvusVersion,
    can,
    feature_of_field_type,
    feature_of_function,
    feature_of_index,
    feature_of_metric,
)

_UNREAD = frozenset(
    {
        Feature.CLUSTERING_KEY,
        Feature.NULLABLE,
        Feature.NULLABLE_VECTOR,
        Feature.DEFAULT,
        Feature.BM25,
        Feature.TEXTEMBEDDING,
        Feature.MINHASH,
    }
)
"""What an older server does not read of a request, rather than refuse it."""


def features_unread(form: Form) -> Iterator[Feature]:
    """Yield what an older server would leave out, and make another collection of than this."""
    found = [feature for field in form.fields for feature in _of_field(field)]
    found += [feature_of_function(function.type) for function in form.functions]
    yield from dict.fromkeys(feature for feature in found if feature in _UNREAD)


def features_of_schema(schema: MilvusSchema) -> Iterator[Feature]:
    """Yield what a server needs to have such a collection."""
    found = [feature for field in schema.fields for feature in _of_field(field)]
    for function in schema.functions:
        found += _of_function(function, schema)
    for index in schema.indexes:
        metric = metric_of(schema, index)
        found += [feature_of_index(index.type), feature_of_metric(metric or "")]
    if schema.dynamic_fields:
        found.append(Feature.DYNAMIC_FIELDS)
    if len(schema.vectors) > 1:
        found.append(Feature.SEVERAL_VECTORS)
    yield from dict.fromkeys(feature for feature in found if feature is not None)


def features_of_growth(change: Growth) -> Iterator[Feature]:
    """Yield what a server needs to have a collection grow so."""
    for field in change.fields:
        yield feature_of_adding(field)
    keys = {key for changed in change.altered.values() for key in changed}
    yield from dict.fromkeys(feature_of_altering(key) for key in sorted(keys))
    for function in change.functions:
        yield feature_of_adding_function(function)
    if change.altered_functions:
        yield Feature.ADD_FUNCTION
    if change.dynamic_fields:
        yield Feature.ENABLE_DYNAMIC_FIELDS


def possible(change: Growth, version: MilvusVersion | None) -> Growth:
    """Return the part of the growth that a server of the version can do."""
    functions = can(version, Feature.ADD_FUNCTION)
    altered = {
        name: {k: value for k, value in changed.items() if can(version, feature_of_altering(k))}
        for name, changed in change.altered.items()
    }
    return Growth(
        fields=tuple(f for f in change.fields if can(version, feature_of_adding(f))),
        altered={name: changed for name, changed in altered.items() if changed},
        functions=tuple(f for f in change.functions if can(version, feature_of_adding_function(f))),
        altered_functions=change.altered_functions if functions else (),
        dynamic_fields=change.dynamic_fields and can(version, Feature.ENABLE_DYNAMIC_FIELDS),
    )


def feature_of_adding(field: Field) -> Feature:
    return Feature.ADD_VECTOR_FIELD if field.is_vector else Feature.ADD_FIELD


def feature_of_altering(key: str) -> Feature:
    """Return what changing this of a field needs; `key` is Milvus' name of it."""
    return {DESCRIPTION: Feature.DESCRIBE_FIELD, "warmup": Feature.WARM_FIELD}.get(
        key, Feature.ALTER_FIELD
    )


def feature_of_adding_function(function: Function) -> Feature:
    has_output = function.type in ADDED_WITH_OUTPUT
    return Feature.ADD_FUNCTION_WITH_FIELD if has_output else Feature.ADD_FUNCTION


def _of_function(function: Function, form: Form) -> Iterator[Feature | None]:
    yield feature_of_function(function.type)
    inputs = (form.find(name) for name in function.input_fields)
    if function.type == "BM25" and any(field is not None and field.nullable for field in inputs):
        yield Feature.NULLABLE_INPUT


def _of_field(field: Field) -> Iterator[Feature | None]:
    yield feature_of_field_type(field.type)
    if field.partition_key:
        yield Feature.PARTITION_KEY
    if field.clustering_key:
        yield Feature.CLUSTERING_KEY
    if field.nullable:
        yield Feature.NULLABLE_VECTOR if field.is_vector else Feature.NULLABLE
    if field.default is not None:
        yield Feature.DEFAULT
