"""What a status says that a server has of a long form."""

from typing import Any

from msgspec import structs

from quiver.domain.milvus_fields import Field, Form, Function
from quiver.domain.milvus_held import HeldField, held

ID = Field(name="id", type="Int64", primary_key=True)
TITLE = Field(name="title", type="VarChar", max_length=64, params={"enable_analyzer": "true"})
TAGS = Field(name="tags", type="Array", element_type="Int8", max_capacity=4, nullable=True)
VECTOR = Field(name="vector", type="FloatVector", dimension=8)
TERMS = Field(name="terms", type="SparseFloatVector")
BM25 = Function(name="bm25", type="BM25", input_fields=("title",), output_fields=("terms",))
FORM = Form(fields=(VECTOR, TITLE, ID, TERMS, TAGS), functions=(BM25,), dynamic_fields=True)


def with_(found: Field, **other: Any) -> Form:
    """Return the form with a field that is otherwise."""
    new = structs.replace(found, **other)
    fields = tuple(new if field.name == found.name else field for field in FORM.fields)
    return structs.replace(FORM, fields=fields)


def names(form: Form, wanted: Form = FORM) -> list[str]:
    return [field.name for field in held(form, wanted).fields]


def test_fields_are_told_with_their_lengths_in_an_order_that_is_always_the_same() -> None:
    """A server may tell them in another: the status is not written for that."""
    told = held(FORM, FORM)
    assert told.fields == (
        HeldField(name="id"),
        HeldField(name="tags", max_capacity=4),
        HeldField(name="terms"),
        HeldField(name="title", max_length=64),
        HeldField(name="vector"),
    )
    assert (told.functions, told.dynamic_fields) == (("bm25",), True)
    assert held(structs.replace(FORM, fields=FORM.fields[::-1]), FORM) == told


def test_other_lengths_than_those_of_the_spec_are_those_of_the_server() -> None:
    for length in (1, 65535):
        (title,) = [f for f in held(with_(TITLE, max_length=length), FORM).fields if f.max_length]
        assert title.max_length == length


def test_what_the_spec_says_otherwise_is_not_what_the_server_has() -> None:
    """It can be corrected by taking it away, and then listing it as it is."""
    assert "tags" not in names(with_(TAGS, element_type="Int16"))
    assert "title" not in names(with_(TITLE, params={}))
    other = structs.replace(BM25, type="MinHash")
    assert held(structs.replace(FORM, functions=(other,)), FORM).functions == ()


def test_what_the_spec_does_not_say_is_told_too() -> None:
    wanted = Form(fields=(ID, VECTOR))
    assert names(FORM, wanted) == names(FORM)
    assert held(FORM, wanted).functions == ("bm25",)


def test_a_server_that_tells_what_no_status_can_have_is_not_believed() -> None:
    """Not in names, and not in numbers or lengths: the API server would refuse the whole status."""
    strange = ("", "a b", "9a", "é", "a\n", "x" * 256)
    assert names(Form(fields=tuple(Field(name=n, type="Bool") for n in strange))) == []
    many = tuple(Field(name=f"a{n:03}", type="Bool") for n in range(300))
    functions = tuple(structs.replace(BM25, name=f"a{n:03}") for n in range(300))
    told = held(Form(fields=(*many, *FORM.fields), functions=(*functions, BM25)), FORM)
    assert (len(told.fields), len(told.functions)) == (64, 16)
    assert {field.name for field in FORM.fields} <= {field.name for field in told.fields}
    assert "bm25" in told.functions
    (long,) = [f for f in held(with_(TITLE, max_length=10**9), FORM).fields if f.max_length]
    (large,) = [f for f in held(with_(TAGS, max_capacity=0), FORM).fields if f.max_capacity]
    assert (long.max_length, large.max_capacity) == (65535, 1)
