"""How two forms of a collection on Milvus differ, and how one grows into the other."""

from typing import Any

import msgspec
import pytest

from quiver.domain.milvus_features import features_of_growth, possible
from quiver.domain.milvus_fields import Field, Form, Function
from quiver.domain.milvus_forms import Growth, differences, grown, growth, short_form
from quiver.domain.milvus_versions import Feature, MilvusVersion

ID = Field(name="id", type="Int64", primary_key=True)
TITLE = Field(name="title", type="VarChar", max_length=64, params={"enable_analyzer": "true"})
VECTOR = Field(name="vector", type="FloatVector", dimension=8)
TERMS = Field(name="terms", type="SparseFloatVector")
PRICE = Field(name="price", type="Double", nullable=True, default="0.5")
BM25 = Function(name="bm25", type="BM25", input_fields=("title",), output_fields=("terms",))
EMBED = Function(
    name="embed",
    type="TextEmbedding",
    input_fields=("title",),
    output_fields=("vector",),
    params={"provider": "openai", "url": "https://a.example"},
)
FORM = Form(fields=(ID, TITLE, VECTOR))


def with_(form: Form, *fields: Field, **changed: Any) -> Form:
    return msgspec.structs.replace(form, fields=(*form.fields, *fields), **changed)


def changed(name: str, **attributes: Any) -> Form:
    """Return the form with other attributes of one of its fields."""
    fields = (
        msgspec.structs.replace(f, **attributes) if f.name == name else f for f in FORM.fields
    )
    return msgspec.structs.replace(FORM, fields=tuple(fields))


@pytest.mark.parametrize(
    ("found", "phrase"),
    [
        (changed("vector", dimension=16), "dimension of field 'vector' is 16, not 8"),
        (changed("title", max_length=32), "maxLength of field 'title' is 32, not 64"),
        (changed("title", type="JSON", max_length=None), "type of field 'title' is JSON"),
        (changed("id", auto_id=True), "autoID of field 'id' is true, not false"),
        (changed("title", default="x"), "default of field 'title' is x, not absent"),
        (changed("title", params={}), "enable_analyzer of field 'title' is absent, not true"),
        (with_(FORM, PRICE), "it has a field 'price' that spec does not say"),
        (Form(fields=(ID, VECTOR)), "it has no field 'title'"),
        (with_(FORM, dynamic_fields=True), "dynamicFields is true, not false"),
        (with_(FORM, functions=(EMBED,)), "it has a function 'embed' that spec does not say"),
    ],
)
def test_a_difference_is_named_by_field(found: Form, phrase: str) -> None:
    assert phrase in " ".join(differences(FORM, found))


@pytest.mark.parametrize(
    "found",
    [
        FORM,
        changed("title", description="The title."),
        changed("title", params={"enable_analyzer": "true", "mmap.enabled": "true"}),
        changed("title", params={"enable_analyzer": "true", "a_default": "of the server"}),
        msgspec.structs.replace(FORM, fields=FORM.fields[::-1]),
    ],
    ids=["equal", "a description", "what can change", "what was not asked for", "another order"],
)
def test_what_a_server_can_change_or_adds_by_itself_is_no_difference(found: Form) -> None:
    assert not list(differences(FORM, found))


@pytest.mark.parametrize(
    ("type_", "asked", "told"),
    [
        ("Float", "0.1", "0.100000001"),
        ("Double", "0.50", "0.5"),
        ("Int64", 7, "7"),
        ("Bool", "True", "true"),
    ],
)
def test_a_default_is_compared_by_its_value(type_: Any, asked: Any, told: str) -> None:
    wanted = Field(name="price", type=type_, default=asked)
    found = Field(name="price", type=type_, default=told)
    assert not list(differences(with_(FORM, wanted), with_(FORM, found)))


@pytest.mark.parametrize(
    ("wanted", "change", "features"),
    [
        (with_(FORM, PRICE), Growth(fields=(PRICE,)), [Feature.ADD_FIELD]),
        (
            changed("title", max_length=128, description="The title."),
            Growth(altered={"title": {"max_length": "128", "field.description": "The title."}}),
            [Feature.DESCRIBE_FIELD, Feature.ALTER_FIELD],
        ),
        (
            changed("title", params={"enable_analyzer": "true", "mmap.enabled": "true"}),
            Growth(altered={"title": {"mmap.enabled": "true"}}),
            [Feature.ALTER_FIELD],
        ),
        (
            with_(FORM, dynamic_fields=True),
            Growth(dynamic_fields=True),
            [Feature.ENABLE_DYNAMIC_FIELDS],
        ),
        (
            with_(FORM, TERMS, functions=(BM25,)),
            Growth(functions=(BM25,)),
            [Feature.ADD_FUNCTION_WITH_FIELD],
        ),
        (with_(FORM, functions=(EMBED,)), Growth(functions=(EMBED,)), [Feature.ADD_FUNCTION]),
    ],
    ids=["a field", "a length", "a parameter", "dynamic fields", "terms", "an embedding"],
)
def test_what_is_missing_grows(wanted: Form, change: Growth, features: list[Feature]) -> None:
    """Until the version can do it, nothing is done."""
    assert growth(wanted, FORM) == change
    assert not list(differences(wanted, grown(wanted, FORM)))
    assert list(features_of_growth(change)) == features
    assert possible(change, MilvusVersion(2, 4)) == Growth()
    assert possible(change, MilvusVersion(3, 0)) == change


def test_the_parameters_of_an_embedding_that_can_change_are_changed() -> None:
    moved = msgspec.structs.replace(EMBED, params={"url": "https://b.example"})
    wanted, found = with_(FORM, functions=(moved,)), with_(FORM, functions=(EMBED,))
    assert growth(wanted, found) == Growth(altered_functions=(moved,))
    assert not list(differences(wanted, found))


@pytest.mark.parametrize(
    "wanted",
    [
        with_(FORM, Field(name="price", type="Double")),
        with_(FORM, Field(name="tenant", type="Int64", partition_key=True, nullable=True)),
        changed("title", max_length=32),
        with_(Form(fields=(ID, TITLE, VECTOR)), TERMS),
        changed("vector", dimension=16),
    ],
    ids=["not nullable", "a key", "shorter", "a vector without its function", "a dimension"],
)
def test_what_no_server_can_do_stays_a_difference(wanted: Form) -> None:
    assert growth(wanted, FORM) == Growth()
    assert list(differences(wanted, grown(wanted, FORM)))


def test_terms_are_not_added_over_a_field_that_is_there() -> None:
    """Milvus adds BM25 with its output field alone."""
    found = with_(FORM, TERMS)
    wanted = with_(found, functions=(BM25,))
    assert growth(wanted, found) == Growth()
    assert list(differences(wanted, grown(wanted, found))) == ["it has no function 'bm25'"]


@pytest.mark.parametrize("metric", ["L2", "JACCARD", None])
def test_the_short_form_has_a_key_that_milvus_gives_and_a_vector(metric: str | None) -> None:
    form = short_form(64, metric)
    assert [(f.name, f.type) for f in form.fields] == [
        ("id", "Int64"),
        ("vector", "BinaryVector" if metric == "JACCARD" else "FloatVector"),
    ]
    assert form.dynamic_fields
