"""What every implementation of the engine port does; the reconcilers rely on nothing else."""

import uuid
from collections.abc import Awaitable

import msgspec
import pytest

from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.domain.damage import NO_DAMAGE
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused, EngineUnreachable, WrongEngine
from support.conformance import Subject
from support.waiting import eventually

HNSW = Index(type="HNSW", params={"M": 16, "efConstruction": 64})
IVF_FLAT = Index(type="IVF_FLAT", params={"nlist": 16})
NOBODY = "127.0.0.1:1"


@pytest.fixture
def schema() -> CollectionSchema:
    name = f"c_{uuid.uuid4().hex[:8]}"
    return CollectionSchema(name=name, dimension=8, index_file_size=64, metric_type="IP")


@pytest.fixture
async def name(client: EngineClient, schema: CollectionSchema) -> str:
    """A collection that exists."""
    await client.create(schema)
    return schema.name


async def refusal_of(call: Awaitable[object]) -> str:
    with pytest.raises(EngineRefused) as refused:
        await call
    assert refused.value.reason
    return refused.value.code


async def test_a_server_tells_its_version(client: EngineClient) -> None:
    """It is 1.1.something, which is what clients of the protocol ask for."""
    assert (await client.version()).startswith("1.1.")


async def test_a_sound_server_reports_no_trouble(client: EngineClient, name: str) -> None:
    """It has no damage and room on its disk; why it computes on the CPU it says in words."""
    assert name in await client.list_collections()
    report = await client.report()
    assert (report.damaged, report.full_disk) == (NO_DAMAGE, None)
    assert report.why_no_gpu


async def test_a_created_collection_is_listed_and_described(
    client: EngineClient, schema: CollectionSchema
) -> None:
    """Every field comes back, and no partition: `_default` does not count."""
    await client.create(schema)
    assert schema.name in await client.list_collections()
    assert await client.describe(schema.name) == ObservedCollection(schema=schema)


async def test_a_name_that_exists_is_not_created_again(
    client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """The call is refused and the collection stays as it is."""
    other = msgspec.structs.replace(schema, dimension=16)
    assert await refusal_of(client.create(other)) == "ILLEGAL_COLLECTION_NAME"
    assert await client.describe(name) == ObservedCollection(schema=schema)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "1st"}, "ILLEGAL_COLLECTION_NAME"),
        ({"name": "a" * 256}, "ILLEGAL_COLLECTION_NAME"),
        ({"dimension": 0}, "ILLEGAL_DIMENSION"),
        ({"dimension": 32769}, "ILLEGAL_DIMENSION"),
        ({"dimension": 12, "metric_type": "JACCARD"}, "ILLEGAL_DIMENSION"),
        ({"index_file_size": 0}, "ILLEGAL_ARGUMENT"),
        ({"index_file_size": 131073}, "ILLEGAL_ARGUMENT"),
    ],
    ids=str,
)
async def test_a_collection_that_cannot_be_is_refused_with_its_code(
    client: EngineClient, schema: CollectionSchema, change: dict[str, object], code: str
) -> None:
    """The code is the protocol's own, and nothing is created."""
    impossible = msgspec.structs.replace(schema, **change)
    assert await refusal_of(client.create(impossible)) == code
    assert impossible.name not in await client.list_collections()


@pytest.mark.parametrize("metric", ["HAMMING", "JACCARD", "TANIMOTO"])
async def test_bits_take_ivf_flat_and_no_other_index(
    client: EngineClient, schema: CollectionSchema, metric: str
) -> None:
    """A collection of bits comes back as it was created, and another index is refused."""
    bits = msgspec.structs.replace(schema, metric_type=metric)
    await client.create(bits)
    assert await client.describe(bits.name) == ObservedCollection(schema=bits)
    await client.set_index(bits.name, IVF_FLAT)
    assert await refusal_of(client.set_index(bits.name, HNSW)) == "ILLEGAL_INDEX_TYPE"


@pytest.mark.parametrize("metric", ["SUBSTRUCTURE", "SUPERSTRUCTURE"])
async def test_metrics_that_match_or_not_take_no_index(
    client: EngineClient, schema: CollectionSchema, metric: str
) -> None:
    """Their collections are searched without one."""
    bits = msgspec.structs.replace(schema, metric_type=metric)
    await client.create(bits)
    assert await refusal_of(client.set_index(bits.name, IVF_FLAT)) == "ILLEGAL_INDEX_TYPE"


async def test_what_does_not_exist_is_none(client: EngineClient) -> None:
    """A collection that is not there is an answer, not an error."""
    assert await client.describe("missing") is None
    assert "missing" not in await client.list_collections()


async def test_dropping_is_idempotent(client: EngineClient, name: str) -> None:
    """What is gone already, or never was, is done."""
    for _ in range(2):
        await client.drop(name)
    assert await client.describe(name) is None


async def test_a_dropped_name_is_free_at_once(
    client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """A collection made anew under it has none of the old one's partitions."""
    await client.create_partition(name, "a")
    await client.drop(name)
    await client.create(schema)
    assert await client.describe(name) == ObservedCollection(schema=schema)


async def test_partitions_come_and_go(client: EngineClient, name: str) -> None:
    """They are described by their tags; dropping one twice is dropping it."""
    for tag in ("a", "b"):
        await client.create_partition(name, tag)
    for _ in range(2):
        await client.drop_partition(name, "a")
    found = await client.describe(name)
    assert found is not None
    assert found.partitions == {"b"}


@pytest.mark.parametrize("tag", ["a", "_default", " ", "x" * 256], ids=len)
async def test_a_partition_that_exists_or_cannot_be_is_refused(
    client: EngineClient, name: str, tag: str
) -> None:
    """A tag is not taken twice, is not blank, has at most 255 bytes and is not `_default`."""
    await client.create_partition(name, "a")
    assert await refusal_of(client.create_partition(name, tag)) == "UNEXPECTED_ERROR"


async def test_a_refusal_tells_whether_it_may_pass(client: EngineClient, name: str) -> None:
    """What an engine may do later is worth another try; what it can never do is not."""
    await client.create_partition(name, "a")
    with pytest.raises(EngineRefused) as passing:
        await client.create_partition(name, "a")
    assert passing.value.retriable
    with pytest.raises(EngineRefused) as standing:
        await client.set_index(name, Index(type="IVF_FLAT", params={}))
    assert not standing.value.retriable


async def test_a_missing_collection_is_named_as_missing(client: EngineClient) -> None:
    """What needs a collection is refused without one, but for what is to be gone anyway."""
    missing = "COLLECTION_NOT_EXISTS"
    with pytest.raises(EngineRefused) as gone:
        await client.create_partition("missing", "a")
    assert (gone.value.code, gone.value.retriable) == (missing, True)
    assert await refusal_of(client.count_rows("missing")) == missing
    await client.drop_partition("missing", "a")


async def test_rows_are_counted_as_a_whole_and_by_partition(
    subject: Subject, client: EngineClient, name: str
) -> None:
    """The whole holds the default partition's rows too; a tag that is not there holds none."""
    await client.create_partition(name, "a")
    assert await client.count_rows(name) == 0
    await subject.insert(name, 3, "a")
    await subject.insert(name, 4, "_default")
    assert await client.count_rows(name) == 7
    assert await client.count_rows(name, "a") == 3
    assert await client.count_rows(name, "b") == 0


async def test_the_rows_of_a_dropped_partition_are_gone(
    subject: Subject, client: EngineClient, name: str
) -> None:
    """Nothing of it is counted any more."""
    await client.create_partition(name, "a")
    await subject.insert(name, 3, "a")
    await client.drop_partition(name, "a")
    assert await client.count_rows(name) == 0


async def test_a_collection_begins_without_an_index(client: EngineClient, name: str) -> None:
    """Brute force is no index."""
    assert await client.describe_index(name) == ObservedIndex(index=None)


async def test_an_index_is_set_changed_and_taken_away(client: EngineClient, name: str) -> None:
    """It is described as it was asked for; on an empty collection nothing is left to build."""
    for index in (HNSW, HNSW, IVF_FLAT, None, None):
        await client.set_index(name, index)
        assert await client.describe_index(name) == ObservedIndex(index=index)


async def test_rows_get_the_index(subject: Subject, client: EngineClient, name: str) -> None:
    """While it is built, progress counts segments; once it is there, there is no progress."""
    await subject.insert(name, 5000, "_default")
    await client.set_index(name, IVF_FLAT)

    async def is_built() -> bool:
        progress = (await client.describe_index(name)).progress
        assert progress is None or 0 <= progress.built <= progress.total
        return progress is None

    await eventually(is_built, "the index is built", 30)
    assert await client.describe_index(name) == ObservedIndex(index=IVF_FLAT)
    assert await client.count_rows(name) == 5000


@pytest.mark.parametrize(
    ("index", "code"),
    [
        (Index(type="IVF_SQ8H", params={"nlist": 16}), "ILLEGAL_INDEX_TYPE"),
        (Index(type="IVF_FLAT", params={}), "ILLEGAL_ARGUMENT"),
        (Index(type="IVF_FLAT", params={"nlist": 65537}), "ILLEGAL_ARGUMENT"),
        (Index(type="HNSW", params={"M": 3, "efConstruction": 64}), "ILLEGAL_ARGUMENT"),
        (Index(type="IVF_PQ", params={"nlist": 16, "m": 3}), "ILLEGAL_DIMENSION"),
    ],
    ids=str,
)
async def test_an_index_that_cannot_be_is_refused_with_its_code(
    client: EngineClient, name: str, index: Index, code: str
) -> None:
    """IVF_SQ8H needs a GPU, parameters have ranges, and m divides the dimension."""
    assert await refusal_of(client.set_index(name, index)) == code
    assert await client.describe_index(name) == ObservedIndex(index=None)


@pytest.mark.parametrize("index", [None, IVF_FLAT, HNSW])
async def test_a_new_collection_answers_a_search(
    client: EngineClient, schema: CollectionSchema, index: Index | None
) -> None:
    await client.create(schema)
    if index is not None:
        await client.set_index(schema.name, index, schema.metric_type)
    await client.search_once(schema)


async def test_bits_are_searched_too(client: EngineClient, schema: CollectionSchema) -> None:
    bits = msgspec.structs.replace(schema, metric_type="JACCARD")
    await client.create(bits)
    await client.search_once(bits)


async def test_a_missing_collection_is_not_searched(
    client: EngineClient, schema: CollectionSchema
) -> None:
    assert await refusal_of(client.search_once(schema)) == "COLLECTION_NOT_EXISTS"


async def test_an_index_needs_its_collection(client: EngineClient) -> None:
    """Of a collection that is not there, none is described, set or taken away."""
    missing = "COLLECTION_NOT_EXISTS"
    assert await refusal_of(client.describe_index("missing")) == missing
    assert await refusal_of(client.set_index("missing", HNSW)) == missing
    assert await refusal_of(client.set_index("missing", None)) == missing


async def test_what_is_meant_for_another_engine_is_refused(
    subject: Subject, schema: CollectionSchema
) -> None:
    """A call that names an instance is done by that one alone; others do nothing at all."""
    instance = await subject.client.instance()
    assert instance is not None
    await subject.engines.at(subject.target._replace(instance=instance)).create(schema)
    another = subject.engines.at(subject.target._replace(instance="f" * 32))
    with pytest.raises(WrongEngine):
        await another.drop(schema.name)
    assert await subject.client.describe(schema.name) is not None


async def test_a_server_that_is_not_there_is_unreachable(
    subject: Subject, schema: CollectionSchema
) -> None:
    """Every call says so, and names the address."""
    client, name = subject.engines.at(Target(NOBODY, "Quiver")), schema.name
    calls: list[Awaitable[object]] = [
        client.version(),
        client.instance(),
        client.list_collections(),
        client.describe(name),
        client.count_rows(name),
        client.count_rows(name, "a"),
        client.describe_index(name),
        client.set_index(name, HNSW),
        client.set_index(name, None),
        client.create(schema),
        client.drop(name),
        client.create_partition(name, "a"),
        client.drop_partition(name, "a"),
    ]
    for call in calls:
        with pytest.raises(EngineUnreachable, match=NOBODY):
            await call
