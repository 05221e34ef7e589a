"""How many bytes a row has, and where that is only the least."""

import msgspec
import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import short_form
from quiver.domain.row_sizes import RowSize, row_size

ID: Manifest = {"name": "id", "type": "Int64", "primaryKey": True}


def of_fields(*fields: Manifest, **rest: object) -> RowSize:
    form = msgspec.convert({"fields": [ID, *fields], **rest}, Form)
    return row_size(CollectionSchema(name="docs", form=form), None)


def test_a_row_is_its_vector_and_its_id() -> None:
    schema = CollectionSchema(name="docs", dimension=256)
    assert row_size(schema, "L2") == RowSize(8 + 4 * 256)
    assert row_size(schema, "JACCARD") == RowSize(8 + 256 // 8)


def test_a_row_of_the_short_form_may_have_dynamic_fields_too() -> None:
    schema = CollectionSchema(name="docs", dimension=8, form=short_form(8, "L2"))
    assert row_size(schema, "L2") == RowSize(8 + 4 * 8, is_least=True)


@pytest.mark.parametrize(
    ("type_", "size"),
    [
        ("FloatVector", 64),
        ("Float16Vector", 32),
        ("BFloat16Vector", 32),
        ("Int8Vector", 16),
        ("BinaryVector", 2),
    ],
)
def test_vectors_have_a_size_by_type_and_dimension(type_: str, size: int) -> None:
    field = {"name": "v", "type": type_, "dimension": 16}
    assert of_fields(field, field | {"name": "w"}) == RowSize(8 + 2 * size)


@pytest.mark.parametrize(
    ("type_", "size"), [("Bool", 1), ("Int16", 2), ("Float", 4), ("Double", 8), ("Timestamptz", 8)]
)
def test_numbers_have_a_size_by_type(type_: str, size: int) -> None:
    assert of_fields({"name": "n", "type": type_}) == RowSize(8 + size)


@pytest.mark.parametrize("type_", ["VarChar", "JSON", "Array", "Geometry", "SparseFloatVector"])
def test_what_is_of_any_length_makes_it_the_least(type_: str) -> None:
    assert of_fields({"name": "x", "type": type_}) == RowSize(8, is_least=True)


def test_what_may_be_absent_makes_it_the_least() -> None:
    assert of_fields({"name": "n", "type": "Double", "nullable": True}).is_least
    assert of_fields(dynamicFields=True).is_least
