"""What every engine does that loads collections, besides what the port has for all engines."""

import uuid

import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.indexes import Index
from quiver.ports.engines import EngineClient, Loads
from quiver.ports.errors import DatabaseNotFound, EngineRefused
from support.conformance import Subject

HNSW = Index(type="HNSW", params={"M": 16, "efConstruction": 64})
IVF_FLAT = Index(type="IVF_FLAT", params={"nlist": 16})
OWNER = {"quiver.dev/owner": "0b0e"}
TTL = "collection.ttl.seconds"


@pytest.fixture
def schema(loading: Subject) -> CollectionSchema:
    return loading.schema(f"c_{uuid.uuid4().hex[:8]}")


@pytest.fixture
def client(loading: Subject) -> EngineClient:
    return loading.client


@pytest.fixture
def loads(loading: Subject) -> Loads:
    return loading.loads


@pytest.fixture
async def name(client: EngineClient, schema: CollectionSchema) -> str:
    """A collection that exists, with an index."""
    await client.create(schema, OWNER)
    await client.set_index(schema.name, HNSW, schema.metric_type)
    return schema.name


@pytest.fixture
async def database(loads: Loads) -> str:
    """A database of the test's own."""
    database = f"d_{uuid.uuid4().hex[:8]}"
    await loads.create_database(database)
    return database


async def properties_of(client: EngineClient, name: str) -> dict[str, str]:
    found = await client.describe(name)
    assert found is not None
    return found.properties


async def partitions_of(client: EngineClient, name: str) -> frozenset[str]:
    found = await client.describe(name)
    assert found is not None
    return found.partitions


async def test_a_loaded_collection_is_searched_until_it_is_released(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, name: str
) -> None:
    """Loading twice is loading, and releasing twice is releasing. A search before is worth another
    try.
    """
    for _ in range(2):
        await loading.load(name)
    load = await loads.describe_load(name)
    assert (load.state, load.progress) == ("Loaded", None)
    assert load.replicas == (1 if loading.traits.tells_replicas else None)
    await client.search_once(schema)
    for _ in range(2):
        await loads.release(name)
    assert (await loads.describe_load(name)).state == "NotLoaded"
    with pytest.raises(EngineRefused) as refused:
        await client.search_once(schema)
    assert (refused.value.code, refused.value.retriable) == ("COLLECTION_NOT_LOADED", True)


async def test_a_new_collection_is_not_in_memory(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema
) -> None:
    """Without an index it cannot be loaded, where that is how collections begin."""
    if not loading.traits.begins_unloaded:
        return
    await client.create(schema)
    assert (await loads.describe_load(schema.name)).state == "NotLoaded"
    with pytest.raises(EngineRefused) as refused:
        await loads.load(schema.name, 1)
    assert (refused.value.code, refused.value.retriable) == ("INDEX_NOT_FOUND", False)


async def test_what_is_missing_has_no_load(loading: Subject, loads: Loads) -> None:
    """It is told and loaded by nobody, and released already."""
    for call in (loads.describe_load("missing"), loads.load("missing", 1)):
        with pytest.raises(EngineRefused) as refused:
            await call
        assert (refused.value.code, refused.value.retriable) == (loading.traits.missing, True)
    await loads.release("missing")


async def test_more_copies_than_the_server_has_room_for_cost_nothing(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, name: str
) -> None:
    """The refusal says so, and the collection is loaded as it was, however often it is tried."""
    refusal = loading.traits.refuses_more_replicas
    if refusal is None:
        return
    for _ in range(2):
        await loading.load(name)
        with pytest.raises(EngineRefused) as refused:
            await loads.load(name, 2)
        assert refused.value.code == refusal
    await loading.load(name)
    assert (await loads.describe_load(name)).replicas == 1
    await client.search_once(schema)


async def test_the_index_of_a_loaded_collection_is_replaced(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, name: str
) -> None:
    """The same index changes nothing; another one takes the collection out of memory."""
    await loading.load(name)
    await client.set_index(name, HNSW, schema.metric_type)
    assert (await loads.describe_load(name)).state == "Loaded"
    await client.set_index(name, IVF_FLAT, schema.metric_type)
    assert await client.describe_index(name) == loading.traits.told_index(IVF_FLAT)
    await loading.load(name)
    await client.search_once(schema)


async def test_a_refused_index_leaves_a_loaded_collection_loaded(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, name: str
) -> None:
    """However often it is tried: whoever searches must not pay for somebody's slip."""
    await loading.load(name)
    for index, _ in [*loading.traits.bad_indexes, *loading.traits.bad_indexes]:
        with pytest.raises(EngineRefused):
            await client.set_index(name, index, schema.metric_type)
        assert (await loads.describe_load(name)).state in ("Loading", "Loaded")
    await loading.load(name)
    await client.search_once(schema)


async def test_the_metric_changes_with_the_index(
    client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """Without one the index keeps the metric that it has."""
    for metric, told in ((None, "IP"), ("L2", "L2"), (None, "L2")):
        await client.set_index(name, IVF_FLAT, metric)
        found = await client.describe(name)
        assert found is not None
        assert found.schema.metric_type == told


async def test_partitions_come_and_go_in_memory(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, name: str
) -> None:
    """The collection stays loaded, and answers."""
    await client.create_partition(name, "a")
    await loading.load(name)
    await client.create_partition(name, "b")
    assert await partitions_of(client, name) == {"a", "b"}
    for tag in ("a", "b", "b"):
        await client.drop_partition(name, tag)
    assert await partitions_of(client, name) == frozenset()
    assert (await loads.describe_load(name)).state == "Loaded"
    await client.search_once(schema)


async def test_properties_are_set_and_taken_away(
    loading: Subject, client: EngineClient, loads: Loads, name: str
) -> None:
    """Those that a collection is created with stay, and every call may name both kinds."""
    assert await properties_of(client, name) == OWNER
    await loads.alter_properties(name, {TTL: "60"}, ())
    assert await properties_of(client, name) == {**OWNER, TTL: "60"}
    await loads.alter_properties(name, {TTL: "90"}, ())
    await loads.alter_properties(name, {}, ())
    assert await properties_of(client, name) == {**OWNER, TTL: "90"}
    if loading.traits.deletes_properties:
        await loads.alter_properties(name, {"quiver.dev/note": "b"}, [TTL])
        assert await properties_of(client, name) == {**OWNER, "quiver.dev/note": "b"}


async def test_an_old_server_says_which_version_takes_properties_away(
    loading: Subject, client: EngineClient, loads: Loads, name: str
) -> None:
    """And changes nothing."""
    if loading.traits.deletes_properties:
        return
    with pytest.raises(
        EngineRefused, match=r"needs Milvus 2\.5 or later, and this is v2"
    ) as refused:
        await loads.alter_properties(name, {TTL: "60"}, list(OWNER))
    assert (refused.value.code, refused.value.retriable) == ("UNIMPLEMENTED", False)
    assert await properties_of(client, name) == OWNER


async def test_a_database_is_made_once(loads: Loads, database: str) -> None:
    """It is listed besides `default`."""
    assert await loads.list_databases() >= {"default", database}
    with pytest.raises(EngineRefused):
        await loads.create_database(database)


async def test_a_collection_of_another_database_is_another_one(
    loading: Subject, client: EngineClient, loads: Loads, schema: CollectionSchema, database: str
) -> None:
    """Its name is DATABASE/NAME, everywhere; the one of the same name in `default` stays."""
    there = loading.schema(f"{database}/{schema.name}")
    for each in (there, schema):
        await client.create(each)
    await client.set_index(there.name, HNSW, there.metric_type)
    await client.create_partition(there.name, "a")
    await loading.load(there.name)
    await client.search_once(there)
    await loading.insert(there.name, 3, "a")
    assert await client.count_rows(there.name) == 3
    await loads.alter_properties(there.name, {TTL: "60"}, ())
    assert await client.list_collections() >= {there.name, schema.name}
    assert await client.describe(schema.name) == loading.described(schema)
    assert await client.describe_index(schema.name) == loading.traits.no_index
    await client.drop_partition(there.name, "a")
    await loads.release(there.name)
    await client.drop(there.name)
    assert await client.describe(there.name) is None
    assert await client.describe(schema.name) == loading.described(schema)


async def test_a_missing_database_is_told_from_a_missing_collection(
    loading: Subject, client: EngineClient, loads: Loads
) -> None:
    """What is to be gone is gone there, too."""
    name = "no_such_database/docs"
    calls = [
        client.describe(name),
        client.count_rows(name),
        client.describe_index(name),
        client.set_index(name, HNSW, "L2"),
        client.create(loading.schema(name)),
        client.create_partition(name, "a"),
        client.search_once(loading.schema(name)),
        loads.describe_load(name),
        loads.load(name, 1),
        loads.alter_properties(name, OWNER, ()),
    ]
    for call in calls:
        with pytest.raises(DatabaseNotFound, match="no_such_database"):
            await call
    await client.drop(name)
    await client.drop_partition(name, "a")


async def test_an_alias_is_told_with_its_collection(
    loading: Subject, client: EngineClient, name: str
) -> None:
    """Where a name leads to by an alias, the collection says its own name."""
    assert loading.alias is not None
    alias = f"{name}_alias"
    await loading.alias(name, alias)
    found, by_alias = await client.describe(name), await client.describe(alias)
    assert found is not None
    assert by_alias is not None
    assert found.aliases == ({alias} if loading.traits.tells_aliases else frozenset())
    assert by_alias.schema.name == name
    with pytest.raises(EngineRefused):
        await client.create(loading.schema(alias))


async def test_a_collection_with_an_alias_is_dropped(
    loading: Subject, client: EngineClient, name: str
) -> None:
    """Whoever drops looks at its aliases before."""
    assert loading.alias is not None
    await loading.alias(name, f"{name}_alias")
    await client.drop(name)
    assert await client.describe(name) is None
