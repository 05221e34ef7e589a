"""Fields and functions on their way to a server and back, in messages as a server has them."""

import pytest

from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.schemas import create_request, observed
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_fields import Field, Form, Function
from quiver.domain.milvus_forms import differences, growth
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import described

PLACE = Place("default", "docs")
FIELDS = (
    Field(name="id", type="VarChar", max_length=36, primary_key=True),
    Field(name="number", type="Int64", primary_key=True, auto_id=True),
    Field(name="tenant", type="VarChar", max_length=64, partition_key=True),
    Field(name="day", type="Int32", clustering_key=True),
    Field(name="title", type="VarChar", max_length=512, nullable=True, description="a\n  b"),
    Field(name="text", type="VarChar", max_length=8, params={"enable_analyzer": "true", "n": 5}),
    Field(name="analyzed", type="VarChar", max_length=8, params={"a": '{\n  "type": "x"\n}'}),
    Field(name="is_new", type="Bool"),
    Field(name="tiny", type="Int8"),
    Field(name="small", type="Int16"),
    Field(name="price", type="Float"),
    Field(name="exact", type="Double"),
    Field(name="more", type="JSON"),
    Field(name="tags", type="Array", element_type="VarChar", max_capacity=32, max_length=16),
    Field(name="counts", type="Array", element_type="Int16", max_capacity=4096),
    Field(name="place", type="Geometry"),
    Field(name="at", type="Timestamptz"),
    Field(name="plain", type="FloatVector", dimension=768),
    Field(name="half", type="Float16Vector", dimension=32768),
    Field(name="brain", type="BFloat16Vector", dimension=2),
    Field(name="bytes", type="Int8Vector", dimension=4),
    Field(name="bits", type="BinaryVector", dimension=64, params={"mmap.enabled": "true"}),
    Field(name="terms", type="SparseFloatVector"),
    Field(name="yes", type="Bool", default="true"),
    Field(name="no", type="Bool", default="false"),
    Field(name="low", type="Int8", default=-128),
    Field(name="high", type="Int16", default=32767),
    Field(name="whole", type="Int32", default=-(2**31)),
    Field(name="long", type="Int64", default=2**63 - 1),
    Field(name="zero", type="Int64", default=0),
    Field(name="tenth", type="Float", default="0.1"),
    Field(name="large", type="Float", default="3.4028235e+38"),
    Field(name="tenth_of_64", type="Double", default="0.1"),
    Field(name="word", type="VarChar", max_length=8, default=" a "),
    Field(name="nothing", type="VarChar", max_length=8, default=""),
    Field(name="since", type="Timestamptz", default="2026-01-01T00:00:00Z"),
    Field(name="home", type="Geometry", default="POINT (1 2)"),
)
FUNCTIONS = (
    Function(name="bm25", type="BM25", input_fields=("text",), output_fields=("terms",)),
    Function(name="hash", type="MinHash", input_fields=("text",), output_fields=("bits",)),
    Function(
        name="embed",
        type="TextEmbedding",
        input_fields=("text", "title"),
        output_fields=("plain",),
        description="by a service",
        params={"provider": "openai", "dim": 768},
    ),
)


def sent(form: Form) -> pb.CollectionSchema:
    request = create_request(PLACE, CollectionSchema(name="docs", form=form), {})
    return pb.CollectionSchema.FromString(request.schema)


def told(schema: pb.CollectionSchema) -> Form:
    answer = pb.DescribeCollectionResponse(schema=schema)
    form = observed(PLACE, answer, frozenset(), None).schema.form
    assert form is not None
    return form


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_field_comes_back_as_it_was_asked_for(field: Field) -> None:
    """Texts to the letter, spaces and line ends too. Numbers among parameters become text."""
    asked = Form(fields=(field,))
    found = told(sent(asked))
    assert list(differences(asked, found)) == []
    assert growth(asked, found) == growth(found, found)
    [back] = found.fields
    assert (back.default, back.description) == (field.default, field.description)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_form_comes_back_as_it_was_asked_for(dynamic: bool) -> None:
    """All fields in their order, functions with their parameters, and whether others may come."""
    asked = Form(fields=FIELDS, functions=FUNCTIONS, dynamic_fields=dynamic)
    found = told(sent(asked))
    assert list(differences(asked, found)) == []
    assert [field.name for field in found.fields] == [field.name for field in FIELDS]
    assert [function.name for function in found.functions] == ["bm25", "hash", "embed"]
    assert found.functions[2].params == {"provider": "openai", "dim": "768"}
    assert found.dynamic_fields is dynamic


def test_a_field_without_default_has_no_value() -> None:
    """A server may end at a value without data."""
    fields = sent(Form(fields=FIELDS)).fields
    for asked, field in zip(FIELDS, fields, strict=True):
        assert field.HasField("default_value") == (asked.default is not None)
        if asked.default is not None:
            assert field.default_value.WhichOneof("data") is not None


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("Bool", 1),
        ("Bool", "yes"),
        ("Int8", 128),
        ("Int16", "-32769"),
        ("Int32", 2**31),
        ("Int64", 2**63),
        ("Int64", "many"),
        ("Int64", "9" * 4096),
        ("Float", "1e39"),
        ("Float", "nan"),
        ("Double", "inf"),
        ("Double", ""),
        ("JSON", "{}"),
        ("FloatVector", "0"),
    ],
)
def test_a_default_that_its_type_cannot_have_is_refused(type_: str, default: int | str) -> None:
    """By the driver, since no message can say it; the refusal stands until somebody changes it."""
    form = Form(fields=(Field(name="f", type=type_, default=default),))  # type: ignore[arg-type]
    with pytest.raises(EngineRefused, match=r"of field 'f' is none of type") as error:
        sent(form)
    assert (error.value.code, error.value.retriable) == ("ILLEGAL_PARAMETER", False)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("value", "default"),
    [
        (pb.ValueField(), None),
        (pb.ValueField(float_data=0.1), "0.1"),
        (pb.ValueField(float_data=16777216.0), "16777216"),
        (pb.ValueField(float_data=1 / 3), "0.33333334"),
        (pb.ValueField(float_data=float("inf")), "inf"),
        (pb.ValueField(float_data=float("nan")), "nan"),
        (pb.ValueField(double_data=1 / 3), "0.3333333333333333"),
        (pb.ValueField(timestamptz_data=1767225600000000), "2026-01-01T00:00:00+00:00"),
        (pb.ValueField(timestamptz_data=2**62), 2**62),
        (pb.ValueField(string_data="2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z"),
        (pb.ValueField(bytes_data=b"\xff{}"), "\ufffd{}"),
        (pb.ValueField(string_data="x" * 5000), "x" * 4095 + "…"),
    ],
)
def test_a_default_is_told_shortest(value: pb.ValueField, default: int | str | None) -> None:
    """Of numbers, the shortest text that is the same number; of text, no more than a spec has."""
    field = pb.FieldSchema(name="f", data_type=pb.FLOAT, default_value=value)
    assert told(described(field)).fields[0].default == default


def test_parameters_that_a_type_has_no_place_for_stay_parameters() -> None:
    """A server keeps what a client once sent: `max_length` of a number is nobody's limit."""
    params = [pb.KeyValuePair(key=key, value="x") for key in ("dim", "max_length", "max_capacity")]
    field = pb.FieldSchema(name="f", data_type=pb.INT64, type_params=params)
    [found] = told(described(field)).fields
    assert (found.dimension, found.max_length, found.max_capacity) == (None, None, None)
    assert found.params == {"dim": "x", "max_length": "x", "max_capacity": "x"}
