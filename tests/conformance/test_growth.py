"""Collections that grow: on fakes of the servers whose collections do, and as it is refused on the
others.
"""

import uuid
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest
from msgspec import structs

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_fields import Field, Form, Function
from quiver.domain.milvus_forms import DESCRIPTION, grown, growth
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.milvus_versions import Feature
from quiver.ports.engines import EngineClient, Fields
from quiver.ports.errors import EngineRefused
from support.conformance import Subject
from support.field_kinds import BM25, EMBEDDING, TERMS, TEXT, VECTOR, form

TAGS = Field(name="tags", type="Array", element_type="VarChar", max_length=16, max_capacity=4)
YEAR = Field(name="year", type="Int64", nullable=True, default=2026)
LOOK = Field(name="look", type="Float16Vector", dimension=16, nullable=True)
WIDER = {"max_length": "1024", DESCRIPTION: "what it is called"}
DYNAMIC = {"dynamicfield.enabled": "true"}


@pytest.fixture
def client(whole: Subject) -> EngineClient:
    return whole.client


@pytest.fixture
def fields(whole: Subject) -> Fields:
    return whole.fields


@pytest.fixture
def schema() -> CollectionSchema:
    return CollectionSchema(name=f"c_{uuid.uuid4().hex[:8]}", form=form(TEXT, TAGS))


@pytest.fixture
async def name(whole: Subject, client: EngineClient, schema: CollectionSchema) -> str:
    """A collection that is loaded."""
    await client.create(schema)
    await whole.fields.set_field_index(schema.name, plain_index(form(), VECTOR))
    await whole.load(schema.name)
    return schema.name


async def form_of(client: EngineClient, name: str) -> Form:
    found = await client.describe(name)
    assert found is not None
    assert found.schema.form is not None
    return found.schema.form


async def refusal_of(call: Awaitable[object]) -> tuple[str, bool]:
    with pytest.raises(EngineRefused) as refused:
        await call
    return refused.value.code, refused.value.retriable


async def test_a_field_is_added_once(
    whole: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema, name: str
) -> None:
    """The collection stays in memory. A second time is refused, as on a server that has none."""
    before = await form_of(client, name)
    if not await whole.has(Feature.ADD_FIELD):
        assert await refusal_of(fields.add_field(name, YEAR)) == ("UNIMPLEMENTED", False)
        assert await form_of(client, name) == before
        return
    await fields.add_field(name, YEAR)
    found = await form_of(client, name)
    assert found.fields[-1] == YEAR
    assert not _is_to_grow(Form(fields=(*before.fields, YEAR)), found)
    await client.search_once(schema)
    assert await refusal_of(fields.add_field(name, YEAR)) == ("ALREADY_EXISTS", True)
    assert await form_of(client, name) == found


@pytest.mark.parametrize(
    "wrong",
    [
        Field(name="a", type="Int64"),
        Field(name="a", type="Int64", primary_key=True),
        Field(name="a", type="VarChar", max_length=8, nullable=True, partition_key=True),
        Field(name="a", type="VarChar", max_length=65536, nullable=True),
    ],
)
async def test_a_field_that_cannot_be_added_is_refused(
    whole: Subject, client: EngineClient, fields: Fields, name: str, wrong: Field
) -> None:
    """One that rows would lack, a key, or one that no collection may have."""
    before = await form_of(client, name)
    refusal = await refusal_of(fields.add_field(name, wrong))
    has = await whole.has(Feature.ADD_FIELD)
    assert refusal == ("ILLEGAL_PARAMETER" if has else "UNIMPLEMENTED", False)
    assert await form_of(client, name) == before


async def test_an_added_vector_field_needs_an_index_before_the_next_load(
    whole: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema, name: str
) -> None:
    """The collection stays in memory meanwhile."""
    if not await whole.has(Feature.ADD_VECTOR_FIELD):
        assert await refusal_of(fields.add_field(name, LOOK)) == ("UNIMPLEMENTED", False)
        return
    await fields.add_field(name, LOOK)
    assert (await whole.loads.describe_load(name)).state == "Loaded"
    await client.search_once(schema)
    assert (await refusal_of(whole.loads.load(name, 1)))[0] == "INDEX_NOT_FOUND"
    after = await form_of(client, name)
    await fields.set_field_index(name, plain_index(after, LOOK))
    await whole.load(name)
    await client.search_once(CollectionSchema(name=name, form=after))


async def test_limits_and_descriptions_of_fields_change(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """While the collection is in memory. All other attributes stay."""
    if not await whole.has(Feature.ADD_FIELD):  # 2.5 changes limits alone
        return
    await fields.alter_field(name, "title", WIDER)
    await fields.alter_field(name, "tags", {"max_capacity": "8"})
    found = await form_of(client, name)
    title, tags = found.find("title"), found.find("tags")
    assert title is not None
    assert tags is not None
    assert (title.max_length, title.description) == (1024, WIDER[DESCRIPTION])
    assert title.params == TEXT.params
    assert (tags.max_capacity, tags.max_length) == (8, 16)
    await fields.alter_field(name, "title", WIDER)
    assert await form_of(client, name) == found


async def test_a_limit_changes_where_descriptions_do_not(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """From 2.5 on."""
    has = await whole.has(Feature.ALTER_FIELD)
    call = fields.alter_field(name, "title", {"max_length": "1024"})
    if not has:
        assert await refusal_of(call) == ("UNIMPLEMENTED", False)
        return
    await call
    title = (await form_of(client, name)).find("title")
    assert title is not None
    assert title.max_length == 1024


async def test_what_is_mapped_into_memory_changes_only_outside_of_it(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """The refusal has a code of its own."""
    if not await whole.has(Feature.ALTER_FIELD):
        return
    mapped = {"mmap.enabled": "true"}
    refusal = await refusal_of(fields.alter_field(name, "title", mapped))
    assert refusal == ("COLLECTION_LOADED", False)
    await whole.loads.release(name)
    await fields.alter_field(name, "title", mapped)
    title = (await form_of(client, name)).find("title")
    assert title is not None
    assert title.params["mmap.enabled"] == "true"


async def test_a_change_of_a_field_that_cannot_be_is_refused(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """No limit shrinks, and nothing else changes."""
    if not await whole.has(Feature.ALTER_FIELD):
        return
    before = await form_of(client, name)
    for changed in ({"max_length": "8"}, {"dim": "4"}, {"max_length": "65536"}):
        code, _ = await refusal_of(fields.alter_field(name, "title", changed))
        assert code == "ILLEGAL_PARAMETER"
    assert (await refusal_of(fields.alter_field(name, "absent", WIDER)))[0] == "NOT_FOUND"
    assert await form_of(client, name) == before


async def test_a_function_is_added_with_its_output_field(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """From 3.0 on. The field has its index at once; a second time is refused."""
    call = fields.add_function(name, BM25, TERMS)
    if not await whole.has(Feature.ADD_FUNCTION_WITH_FIELD):
        assert await refusal_of(call) == ("UNIMPLEMENTED", False)
        return
    await call
    found = await form_of(client, name)
    assert found.functions == (BM25,)
    assert found.find("terms") == TERMS
    indexes = await fields.describe_indexes(name)
    assert indexes["terms"].index.metric_type == "BM25"
    refusal = await refusal_of(fields.add_function(name, BM25, TERMS))
    assert refusal == ("ALREADY_EXISTS", True)
    await whole.load(name)
    await client.search_once(CollectionSchema(name=name, form=found))


async def test_a_function_over_fields_that_are_there_is_added_and_changed(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """Its address and its credentials, and nothing else."""
    call = fields.add_function(name, EMBEDDING, None)
    if not await whole.has(Feature.ADD_FUNCTION):
        assert await refusal_of(call) == ("UNIMPLEMENTED", False)
        return
    await call
    moved = {**EMBEDDING.params, "url": "https://embeddings.example.org"}
    changed = _with(moved)
    await fields.alter_function(name, changed)
    assert (await form_of(client, name)).functions == (changed,)
    other = _with({**EMBEDDING.params, "provider": "cohere"})
    assert (await refusal_of(fields.alter_function(name, other)))[0] == "ILLEGAL_PARAMETER"
    absent = _with(EMBEDDING.params, name="absent")
    assert (await refusal_of(fields.alter_function(name, absent)))[0] == "NOT_FOUND"
    assert (await form_of(client, name)).functions == (changed,)


async def test_functions_that_cannot_be_added_are_refused(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """One whose output is to be added although it is there, and one over fields that are not."""
    before = await form_of(client, name)
    over_nothing = _with(EMBEDDING.params, input_fields=("absent",))
    for function, output in ((BM25, None), (over_nothing, None), (EMBEDDING, TERMS)):
        code, retriable = await refusal_of(fields.add_function(name, function, output))
        assert code in ("ILLEGAL_PARAMETER", "UNIMPLEMENTED")
        assert not retriable
    assert await form_of(client, name) == before


async def test_dynamic_fields_are_turned_on(
    whole: Subject, client: EngineClient, name: str
) -> None:
    """By a property that no server tells afterwards. Twice is once."""
    if not await whole.has(Feature.ENABLE_DYNAMIC_FIELDS):
        return
    for _ in range(2):
        await whole.loads.alter_properties(name, DYNAMIC, ())
    found = await client.describe(name)
    assert found is not None
    assert found.schema.form is not None
    assert found.schema.form.dynamic_fields
    assert not found.properties.keys() & DYNAMIC.keys()
    code, _ = await refusal_of(
        whole.loads.alter_properties(name, {"dynamicfield.enabled": "false"}, ())
    )
    assert code == "ILLEGAL_PARAMETER"


def _is_to_grow(wanted: Form, found: Form) -> bool:
    change = growth(wanted, found)
    return bool(change.fields or change.altered) or grown(wanted, found) != found


def _with(params: Mapping[str, int | str], **more: Any) -> Function:
    return structs.replace(EMBEDDING, params=dict(params), **more)
