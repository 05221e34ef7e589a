"""How fields and functions are added to a collection, and changed."""

import pytest

from quiver.domain.milvus_fields import Field, Function
from quiver.ports.engines import Fields
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import described, pairs
from support.scripted_milvus import ScriptedMilvus, refusal, refused

TITLE = Field(name="title", type="VarChar", max_length=64, nullable=True, default="x")
SECOND = Field(name="second", type="FloatVector", dimension=8, nullable=True)
TERMS = Field(name="terms", type="SparseFloatVector")
BM25 = Function(name="bm25", type="BM25", input_fields=("body",), output_fields=("terms",))
EMBED = Function(
    name="embed",
    type="TextEmbedding",
    input_fields=("body",),
    output_fields=("vector",),
    params={"provider": "openai", "url": "http://new"},
)


@pytest.fixture(autouse=True)
def has_fields(server: ScriptedMilvus) -> None:
    limits = pairs(max_length="64", max_capacity="8")
    body = pb.FieldSchema(name="body", data_type=pb.VARCHAR, type_params=limits)
    vector = pb.FieldSchema(name="vector", data_type=pb.FLOAT_VECTOR, type_params=pairs(dim="8"))
    parts = pb.StructArrayFieldSchema(name="parts")
    schema = described(body, vector, struct_array_fields=[parts])
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(schema=schema)


def tell_function(server: ScriptedMilvus) -> None:
    """From now on the function of EMBED is there, with other parameters."""
    params = pairs(provider="openai", url="http://old", integration_id="1")
    there = pb.FunctionSchema(name="embed", type=pb.TEXT_EMBEDDING, params=params)
    server.tells["DescribeCollection"] = pb.DescribeCollectionResponse(
        schema=described(functions=[there])
    )


async def test_a_field_is_added_as_it_would_be_created(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """In three calls, two of which look."""
    await fields.add_field("docs", TITLE)
    methods = [method for method, _ in server.asked]
    assert methods == ["GetVersion", "DescribeCollection", "AddCollectionField"]
    [request] = server.requests("AddCollectionField")
    schema = pb.FieldSchema.FromString(request.schema)
    assert (request.collection_name, schema.name, schema.nullable) == ("docs", "title", True)
    assert schema.default_value.string_data == "x"
    assert list(schema.type_params) == pairs(max_length="64")


@pytest.mark.parametrize("name", ["body", "parts"])
async def test_a_field_that_exists_is_not_added(
    server: ScriptedMilvus, fields: Fields, name: str
) -> None:
    """Servers say it in words alone. The next look tells whether it is the same."""
    error = await refused(fields.add_field("docs", Field(name=name, type="Bool", nullable=True)))
    assert (error.code, error.retriable) == ("ALREADY_EXISTS", True)
    assert server.methods == []


@pytest.mark.parametrize(("code", "is_retriable"), [(1100, False), (65535, False), (8, True)])
async def test_a_field_that_cannot_be_stands_until_somebody_changes_it(
    server: ScriptedMilvus, fields: Fields, code: int, is_retriable: bool
) -> None:
    """Servers have no code for one vector too many."""
    server.tells["AddCollectionField"] = refusal(code)
    assert (await refused(fields.add_field("docs", SECOND))).retriable is is_retriable


@pytest.mark.parametrize(
    ("version", "call", "needed"),
    [
        ("v2.5.9", lambda f: f.add_field("docs", TITLE), "adding a field needs Milvus 2.6"),
        ("v2.6.17", lambda f: f.add_field("docs", SECOND), "a vector field needs Milvus 2.6.18"),
        ("v2.4.9", lambda f: f.alter_field("docs", "body", {"a": "b"}), "needs Milvus 2.5"),
        ("v2.6.19", lambda f: f.add_function("docs", EMBED, None), "needs Milvus 2.6.20"),
        ("v2.6.22", lambda f: f.add_function("docs", BM25, TERMS), "needs Milvus 3.0"),
        ("v2.6.19", lambda f: f.alter_function("docs", EMBED), "needs Milvus 2.6.20"),
    ],
)
async def test_an_old_version_says_what_it_lacks(
    server: ScriptedMilvus, fields: Fields, version: str, call: object, needed: str
) -> None:
    """And is asked for nothing."""
    server.tells["GetVersion"] = pb.GetVersionResponse(version=version)
    assert callable(call)
    error = await refused(call(fields))
    assert (error.code, error.retriable) == ("UNIMPLEMENTED", False)
    assert needed in error.reason
    assert server.methods == []


async def test_what_changes_of_a_field_changes_in_one_call(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """Each under Milvus' name."""
    changed = {"max_length": "128", "field.description": "", "mmap.enabled": "true"}
    await fields.alter_field("docs", "body", changed)
    [request] = server.requests("AlterCollectionField")
    assert (request.field_name, list(request.properties)) == ("body", pairs(**changed))
    methods = [method for method, _ in server.asked]
    assert methods == ["GetVersion", "DescribeCollection", "AlterCollectionField"]


@pytest.mark.parametrize("key", ["max_length", "max_capacity"])
async def test_a_limit_never_shrinks(server: ScriptedMilvus, fields: Fields, key: str) -> None:
    """Servers would do it. Somebody raised it since the last look, and the next one sees that."""
    error = await refused(fields.alter_field("docs", "body", {key: "7"}))
    assert (error.code, error.retriable) == ("ILLEGAL_PARAMETER", True)
    assert server.methods == []


async def test_a_field_or_function_that_is_gone_is_not_changed(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """The next look tells what became of it."""
    for call in (
        fields.alter_field("docs", "other", {"max_length": "9"}),
        fields.alter_function("docs", EMBED),
    ):
        error = await refused(call)
        assert (error.code, error.retriable) == ("NOT_FOUND", True)
    assert server.methods == []


async def test_a_function_over_fields_is_added_to_them(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """With its parameters."""
    await fields.add_function("docs", EMBED, None)
    assert server.methods == ["AddCollectionFunction"]
    [request] = server.requests("AddCollectionFunction")
    added = request.function_schema
    assert (added.name, added.type) == ("embed", pb.TEXT_EMBEDDING)
    assert (list(added.input_field_names), list(added.output_field_names)) == (["body"], ["vector"])
    assert list(added.params) == pairs(provider="openai", url="http://new")


async def test_a_function_comes_with_its_output_and_an_index_of_that(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """In one call: no server adds one without the other, and some demand the index."""
    await fields.add_function("docs", BM25, TERMS)
    assert server.methods == ["AlterCollectionSchema"]
    [request] = server.requests("AlterCollectionSchema")
    [field] = request.action.add_request.field_infos
    [function] = request.action.add_request.func_schema
    assert (field.field_schema.name, field.field_schema.nullable) == ("terms", False)
    index = pairs(index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params="{}")
    assert list(field.extra_params) == index
    assert (function.name, function.type) == ("bm25", pb.BM25)


async def test_a_refusal_of_both_is_one(server: ScriptedMilvus, fields: Fields) -> None:
    """That answer has its status in another message than all others."""
    status = refusal(2, "service unavailable: this needs StorageV3")
    server.tells["AlterCollectionSchema"] = pb.AlterCollectionSchemaResponse(status=status)
    error = await refused(fields.add_function("docs", BM25, TERMS))
    assert (error.code, error.retriable) == ("UNAVAILABLE", True)


async def test_a_function_that_exists_is_not_added(server: ScriptedMilvus, fields: Fields) -> None:
    """Nor is one whose new output exists."""
    tell_function(server)
    error = await refused(fields.add_function("docs", EMBED, None))
    assert (error.code, error.retriable) == ("ALREADY_EXISTS", True)
    output = Field(name="vector", type="SparseFloatVector")
    bm25 = Function(name="b", type="BM25", input_fields=("body",), output_fields=("vector",))
    assert (await refused(fields.add_function("docs", bm25, output))).code == "ALREADY_EXISTS"
    assert server.methods == []


@pytest.mark.parametrize(
    ("function", "output", "words"),
    [
        (BM25, None, "together with its output field, and that exists"),
        (EMBED, SECOND, "over fields that exist, and its output field does not"),
    ],
)
async def test_a_function_that_no_server_adds_is_not_asked_for(
    server: ScriptedMilvus, fields: Fields, function: Function, output: Field | None, words: str
) -> None:
    """The refusal says what would do."""
    error = await refused(fields.add_function("docs", function, output))
    assert (error.code, error.retriable) == ("ILLEGAL_PARAMETER", False)
    assert words in error.reason
    assert server.methods == []


async def test_a_function_keeps_the_parameters_that_a_spec_does_not_say(
    server: ScriptedMilvus, fields: Fields
) -> None:
    """A server takes those of a call for all there are."""
    tell_function(server)
    await fields.alter_function("docs", EMBED)
    [request] = server.requests("AlterCollectionFunction")
    assert request.function_name == "embed"
    params = {pair.key: pair.value for pair in request.function_schema.params}
    assert params == {"provider": "openai", "url": "http://new", "integration_id": "1"}
