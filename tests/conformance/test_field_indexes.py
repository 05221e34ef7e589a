"""Indexes by field, on every server that there is to try, and on fakes of those that cannot be
had.
"""

import uuid

import pytest

from quiver.domain.collection_schemas import CollectionSchema, ObservedFieldIndex
from quiver.domain.milvus_features import features_of_schema
from quiver.domain.milvus_fields import Field, FieldIndex
from quiver.domain.milvus_indexes import INDEXES
from quiver.domain.milvus_versions import Feature, can, parse_version
from quiver.ports.engines import EngineClient, Fields
from quiver.ports.errors import EngineRefused
from support.conformance import Subject
from support.field_kinds import TYPES, form, index, indexes_of, schema_of
from support.milvus_index_rules import LATER

COUNT = Field(name="count", type="Int64")
HNSW = index("embedding", "HNSW", "L2", M=16, efConstruction=64)
LISTS = index("embedding", "IVF_FLAT", "L2", nlist=16)
WRONG = (index("embedding", "IVF_PQ", "L2", nlist=16, m=3), index("embedding", "NO_SUCH", "L2"))
PLAIN = form(COUNT)
LITE = "milvus_lite"


@pytest.fixture
def client(whole: Subject) -> EngineClient:
    return whole.client


@pytest.fixture
def fields(whole: Subject) -> Fields:
    return whole.fields


@pytest.fixture
def schema() -> CollectionSchema:
    return CollectionSchema(name=f"c_{uuid.uuid4().hex[:8]}", form=PLAIN)


@pytest.fixture
async def name(client: EngineClient, schema: CollectionSchema) -> str:
    """A collection that exists, with a number and a vector."""
    await client.create(schema)
    return schema.name


async def index_of(fields: Fields, name: str, field: str) -> FieldIndex | None:
    found = (await fields.describe_indexes(name)).get(field)
    assert found is None or found == ObservedFieldIndex(index=found.index)
    return None if found is None else found.index


def is_met(wanted: FieldIndex, found: FieldIndex | None) -> bool:
    return (
        found is not None
        and wanted.is_met_by(found)
        and wanted.metric_type
        in (
            None,
            found.metric_type,
        )
    )


async def test_indexes_are_told_by_field(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """At first there is none; the same one again is the same one."""
    assert await fields.describe_indexes(name) == {}
    of_numbers = index("count", whole.traits.scalar_index)
    for wanted in (HNSW, of_numbers, HNSW, of_numbers):
        await fields.set_field_index(name, wanted)
        assert is_met(wanted, await index_of(fields, name, wanted.field))
    assert set(await fields.describe_indexes(name)) == {"embedding", "count"}
    await client.drop(name)


async def test_the_index_of_vector_and_that_of_the_short_form_are_one(
    whole: Subject, client: EngineClient, fields: Fields
) -> None:
    """Whichever way it is set."""
    schema = whole.schema(f"c_{uuid.uuid4().hex[:8]}", metric_type="L2")
    await client.create(schema)
    await fields.set_field_index(schema.name, index("vector", "HNSW", "L2", **HNSW.params))
    told = await client.describe_index(schema.name)
    assert told.index is not None
    assert told.index.type == "HNSW"
    await client.set_index(schema.name, None, "IP")
    found = await index_of(fields, schema.name, "vector")
    assert is_met(index("vector", "FLAT", "IP"), found)
    await client.drop(schema.name)


async def test_the_index_of_vectors_is_replaced_at_the_price_of_the_memory(
    whole: Subject, fields: Fields, name: str
) -> None:
    """The same one again costs nothing."""
    await fields.set_field_index(name, HNSW)
    await whole.load(name)
    await fields.set_field_index(name, HNSW)
    assert (await whole.loads.describe_load(name)).state == "Loaded"
    await fields.set_field_index(name, LISTS)
    assert is_met(LISTS, await index_of(fields, name, "embedding"))
    if whole.traits.begins_unloaded:
        assert (await whole.loads.describe_load(name)).state == "NotLoaded"
    await whole.client.drop(name)


async def test_a_refused_index_of_a_field_leaves_the_one_before(
    whole: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema, name: str
) -> None:
    """And the collection in memory, however often it is tried."""
    await fields.set_field_index(name, HNSW)
    await whole.load(name)
    if not whole.traits.bad_indexes:
        return  # it takes any
    for wrong in (*WRONG, *WRONG):
        with pytest.raises(EngineRefused) as refused:
            await fields.set_field_index(name, wrong)
        assert not refused.value.retriable
        assert is_met(HNSW, await index_of(fields, name, "embedding"))
    await whole.load(name)
    await client.search_once(schema)


async def test_the_index_of_a_number_comes_and_goes_while_loaded(
    whole: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema, name: str
) -> None:
    """Where the server cannot, the collection goes out of memory for it. Dropping it twice is
    dropping it.
    """
    await fields.set_field_index(name, HNSW)
    await whole.load(name)
    of_numbers = index("count", whole.traits.scalar_index)
    await fields.set_field_index(name, of_numbers)
    assert is_met(of_numbers, await index_of(fields, name, "count"))
    await client.search_once(schema)
    for _ in range(2):
        await fields.drop_field_index(name, "count")
        assert await index_of(fields, name, "count") is None
    if await whole.has(Feature.DROP_LOADED_INDEX):
        await client.search_once(schema)
    else:
        assert (await whole.loads.describe_load(name)).state == "NotLoaded"
    assert is_met(HNSW, await index_of(fields, name, "embedding"))


async def test_the_index_of_a_number_is_replaced(
    whole: Subject, client: EngineClient, fields: Fields, name: str
) -> None:
    """Where the server has more than one kind."""
    other, of_numbers = index("count", "INVERTED"), index("count", whole.traits.scalar_index)
    if not can(parse_version(await client.version()), Feature.INVERTED):
        with pytest.raises(EngineRefused):
            await fields.set_field_index(name, other)
        return
    for wanted in (of_numbers, other, of_numbers):
        await fields.set_field_index(name, wanted)
        assert is_met(wanted, await index_of(fields, name, "count"))


async def test_a_field_that_is_not_there_gets_no_index(fields: Fields, name: str) -> None:
    """And has none to drop."""
    with pytest.raises(EngineRefused):
        await fields.set_field_index(name, index("absent", "STL_SORT"))
    await fields.drop_field_index(name, "absent")


async def test_indexes_need_their_collection(whole: Subject, fields: Fields) -> None:
    calls = [
        fields.describe_indexes("missing"),
        fields.set_field_index("missing", HNSW),
        fields.drop_field_index("missing", "count"),
    ]
    for call in calls:
        with pytest.raises(EngineRefused) as refused:
            await call
        assert (refused.value.code, refused.value.retriable) == (whole.traits.missing, True)


@pytest.mark.parametrize("type_", [type_ for type_ in TYPES if type_ in INDEXES])
async def test_a_field_takes_the_indexes_of_its_type(
    whole: Subject, client: EngineClient, fields: Fields, type_: str
) -> None:
    """Those of which the operator's table says that the version has them; the others are refused,
    and leave no trace.
    """
    told = await client.version()
    version = parse_version(told)
    assert version is not None
    wanted = TYPES[type_]
    is_new = not all(can(version, each) for each in features_of_schema(schema_of(wanted)))
    if type_ in whole.traits.lacks or is_new or told.startswith(LITE):
        return
    for each in indexes_of(type_):
        name = f"c_{uuid.uuid4().hex[:8]}"
        await client.create(CollectionSchema(name=name, form=wanted))
        features = list(features_of_schema(schema_of(wanted, each)))
        has = all(can(version, feature) for feature in features)
        has = has and version >= LATER.get((type_, each.type), (0, 0, 0))
        if has and whole.traits.version != "v2.3.5":
            await fields.set_field_index(name, each)
            assert is_met(each, await index_of(fields, name, each.field)), each
        elif not has:
            with pytest.raises(EngineRefused):
                await fields.set_field_index(name, each)
            assert await index_of(fields, name, each.field) is None
        await client.drop(name)
