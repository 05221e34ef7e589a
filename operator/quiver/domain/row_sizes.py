"""How many bytes a row has, as it was inserted: without indexes, and without what a server adds."""

from dataclasses import dataclass

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.fit import BINARY_METRICS
from quiver.domain.milvus_fields import Field, FieldType, Form

ID_BYTES = 8
"""Of a row on Milvus 1.x, besides its vector."""
_FIXED: dict[FieldType, int] = {
    "Bool": 1,
    "Int8": 1,
    "Int16": 2,
    "Int32": 4,
    "Int64": 8,
    "Float": 4,
    "Double": 8,
    "Timestamptz": 8,
}
_BITS: dict[FieldType, int] = {
    "FloatVector": 32,
    "Float16Vector": 16,
    "BFloat16Vector": 16,
    "Int8Vector": 8,
    "BinaryVector": 1,
}
"""Of each of a vector's numbers."""


@dataclass(frozen=True)
class RowSize:
    """Bytes that each row has. With `is_least`, rows have fields of any length as well, or lack
    some: nobody knows how many more these take without reading the rows.
    """

    bytes: int
    is_least: bool = False


def row_size(schema: CollectionSchema, metric: str | None) -> RowSize:
    """Return what a row of the collection has in its vectors, its id and its numbers.

    `metric` says for collections without a form whether vectors are bits, if the schema does not.
    """
    if schema.form is not None:
        return _of_form(schema.form)
    is_binary = (schema.metric_type or metric) in BINARY_METRICS
    vector = schema.dimension // 8 if is_binary else 4 * schema.dimension
    return RowSize(ID_BYTES + vector)


def _of_form(form: Form) -> RowSize:
    sizes = [_of_field(field) for field in form.fields]
    is_least = form.dynamic_fields or None in sizes
    return RowSize(sum(size or 0 for size in sizes), is_least)


def _of_field(field: Field) -> int | None:
    """Return the bytes that the field has in each row; None if that depends on the row."""
    if field.nullable:
        return None
    if field.type in _BITS:
        return _BITS[field.type] * (field.dimension or 0) // 8
    return _FIXED.get(field.type)
