"""What every implementation of the engine port does; the reconcilers rely on nothing else."""

from collections.abc import Awaitable

import msgspec
import pytest

from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.damage import NO_DAMAGE
from quiver.domain.indexes import Index
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused, EngineUnreachable, WrongEngine
from support.conformance import Subject, Traits
from support.waiting import eventually

HNSW = Index(type="HNSW", params={"M": 16, "efConstruction": 64})
IVF_FLAT = Index(type="IVF_FLAT", params={"nlist": 16})
NOBODY = "127.0.0.1:1"


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


async def test_a_server_tells_its_version(client: EngineClient, traits: Traits) -> None:
    """It is what clients of the protocol ask for: of Quiver's engine 1.1.something."""
    assert (await client.version()).startswith(traits.version)


async def test_a_sound_server_reports_no_trouble(
    client: EngineClient, traits: Traits, name: str
) -> None:
    """It has no damage and room on its disk; why it computes on the CPU it says in words, or not
    at all.
    """
    assert name in await client.list_collections()
    report = await client.report()
    assert (report.damaged, report.full_disk) == (NO_DAMAGE, None)
    assert bool(report.why_no_gpu) == traits.says_why_no_gpu


async def test_a_created_collection_is_listed_and_described(
    subject: Subject, client: EngineClient, schema: CollectionSchema
) -> None:
    """Every field comes back, and no partition: `_default` does not count."""
    await client.create(schema)
    assert schema.name in await client.list_collections()
    assert await client.describe(schema.name) == subject.described(schema)


async def test_a_name_that_exists_is_not_created_again(
    subject: Subject, client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """The call is refused and the collection stays as it is, whether or not the other is equal."""
    for other in (schema, msgspec.structs.replace(schema, dimension=16)):
        assert await refusal_of(client.create(other)) == subject.traits.exists
    assert await client.describe(name) == subject.described(schema)


async def test_a_collection_that_cannot_be_is_refused_with_its_code(
    client: EngineClient, traits: Traits, schema: CollectionSchema
) -> None:
    """The code is the protocol's own, and nothing is created."""
    for change, code in traits.impossible:
        impossible = msgspec.structs.replace(schema, **change)
        assert await refusal_of(client.create(impossible)) == code, change
        assert impossible.name not in await client.list_collections()


async def test_bits_take_ivf_flat(
    subject: Subject, client: EngineClient, schema: CollectionSchema
) -> None:
    """A collection of bits comes back as it was created, and so does its index. Where the engine
    knows that another index is none for bits, it refuses it.
    """
    traits = subject.traits
    for metric in traits.binary_metrics:
        bits = msgspec.structs.replace(schema, name=f"{schema.name}_{metric}", metric_type=metric)
        await client.create(bits)
        assert await client.describe(bits.name) == subject.described(bits)
        await client.set_index(bits.name, IVF_FLAT, metric)
        assert await client.describe_index(bits.name) == traits.told_index(IVF_FLAT)
        if traits.bits_refuse_hnsw is not None:
            refusal = await refusal_of(client.set_index(bits.name, HNSW, metric))
            assert refusal == traits.bits_refuse_hnsw


async def test_metrics_that_match_or_not_take_no_index(
    client: EngineClient, traits: Traits, schema: CollectionSchema
) -> None:
    """Their collections are searched without one."""
    for metric in traits.matching:
        bits = msgspec.structs.replace(schema, name=f"{schema.name}_{metric}", metric_type=metric)
        await client.create(bits)
        refusal = await refusal_of(client.set_index(bits.name, IVF_FLAT, metric))
        assert refusal == traits.index_of_matching
        await client.set_index(bits.name, None, metric)
        assert await client.describe_index(bits.name) == traits.told_index(None)


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
    subject: Subject, client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """A collection made anew under it has none of the old one's partitions."""
    await client.create_partition(name, "a")
    await client.drop(name)
    await client.create(schema)
    assert await client.describe(name) == subject.described(schema)


async def test_partitions_come_and_go(client: EngineClient, name: str) -> None:
    """They are described by their tags; dropping one twice is dropping it."""
    for tag in ("a", "b"):
        await client.create_partition(name, tag)
    for _ in range(2):
        await client.drop_partition(name, "a")
    found = await client.describe(name)
    assert found is not None
    assert found.partitions == {"b"}


async def test_a_partition_that_exists_or_cannot_be_is_refused(
    client: EngineClient, traits: Traits, name: str
) -> None:
    """A tag is not taken twice, has at most 255 bytes and is not `_default`."""
    await client.create_partition(name, "a")
    for tag, code in traits.bad_tags.items():
        assert await refusal_of(client.create_partition(name, tag)) == code, tag
    found = await client.describe(name)
    assert found is not None
    assert found.partitions == {"a"}


async def test_a_refusal_tells_whether_it_may_pass(
    client: EngineClient, traits: Traits, schema: CollectionSchema, name: str
) -> None:
    """What an engine may do later is worth another try; what it can never do is not."""
    await client.create_partition(name, "a")
    with pytest.raises(EngineRefused) as passing:
        await client.create_partition(name, "a")
    assert passing.value.retriable
    change, _ = traits.impossible[0]
    with pytest.raises(EngineRefused) as standing:
        await client.create(msgspec.structs.replace(schema, **change))
    assert not standing.value.retriable
    for index, _ in traits.bad_indexes[:1]:
        with pytest.raises(EngineRefused) as standing:
            await client.set_index(name, index, schema.metric_type)
        assert not standing.value.retriable


async def test_a_missing_collection_is_named_as_missing(
    client: EngineClient, traits: Traits
) -> None:
    """What needs a collection is refused without one, but for what is to be gone anyway."""
    missing = traits.missing
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
    """Nothing of it is counted any more, or only for a moment."""
    await client.create_partition(name, "a")
    await subject.insert(name, 3, "a")
    await client.drop_partition(name, "a")

    async def is_empty() -> bool:
        return await client.count_rows(name) == 0

    await eventually(is_empty, "its rows are gone", 10)


async def test_a_collection_begins_without_an_index(
    client: EngineClient, traits: Traits, name: str
) -> None:
    """Brute force is no index; on some engines it is one that is missing at first."""
    assert await client.describe_index(name) == traits.no_index


async def test_an_index_is_set_changed_and_taken_away(
    client: EngineClient, traits: Traits, schema: CollectionSchema, name: str
) -> None:
    """It is described as it was asked for; on an empty collection nothing is left to build."""
    for index in (HNSW, HNSW, IVF_FLAT, None, None):
        await client.set_index(name, index, schema.metric_type)
        assert await client.describe_index(name) == traits.told_index(index)
        found = await client.describe(name)
        assert found is not None
        assert found.schema.metric_type == schema.metric_type


async def test_rows_get_the_index(
    subject: Subject, client: EngineClient, schema: CollectionSchema, name: str
) -> None:
    """While it is built, progress counts segments; once it is there, there is no progress."""
    await subject.insert(name, 5000, "_default")
    await client.set_index(name, IVF_FLAT, schema.metric_type)

    async def is_built() -> bool:
        progress = (await client.describe_index(name)).progress
        assert progress is None or 0 <= progress.built <= progress.total
        return progress is None

    await eventually(is_built, "the index is built", 30)
    assert await client.describe_index(name) == subject.traits.told_index(IVF_FLAT)
    assert await client.count_rows(name) == 5000


async def test_an_index_that_cannot_be_is_refused_with_its_code(
    client: EngineClient, traits: Traits, schema: CollectionSchema, name: str
) -> None:
    """Parameters have ranges, m divides the dimension, and not every server has every index."""
    for index, code in traits.bad_indexes:
        assert await refusal_of(client.set_index(name, index, schema.metric_type)) == code, index
        assert await client.describe_index(name) == traits.no_index


async def test_a_refused_index_leaves_the_one_before(
    client: EngineClient, traits: Traits, schema: CollectionSchema, name: str
) -> None:
    """However often it is tried."""
    await client.set_index(name, HNSW, schema.metric_type)
    for index, code in [*traits.bad_indexes, *traits.bad_indexes]:
        assert await refusal_of(client.set_index(name, index, schema.metric_type)) == code, index
        assert await client.describe_index(name) == traits.told_index(HNSW)


@pytest.mark.parametrize("index", [None, IVF_FLAT, HNSW])
async def test_a_new_collection_answers_a_search(
    subject: Subject, client: EngineClient, schema: CollectionSchema, index: Index | None
) -> None:
    """Once it has its index and is loaded, where the engine wants that."""
    await client.create(schema)
    await subject.make_searchable(schema, index)
    await client.search_once(schema)


async def test_bits_are_searched_too(
    subject: Subject, client: EngineClient, schema: CollectionSchema
) -> None:
    """With the metric that the collection was made for."""
    for metric in subject.traits.binary_metrics[-1:]:
        bits = msgspec.structs.replace(schema, metric_type=metric)
        await client.create(bits)
        await subject.make_searchable(bits, None)
        await client.search_once(bits)


async def test_a_missing_collection_is_not_searched(
    client: EngineClient, traits: Traits, schema: CollectionSchema
) -> None:
    assert await refusal_of(client.search_once(schema)) == traits.missing


async def test_an_index_needs_its_collection(client: EngineClient, traits: Traits) -> None:
    """Of a collection that is not there, none is described, set or taken away."""
    missing = traits.missing
    assert await refusal_of(client.describe_index("missing")) == missing
    assert await refusal_of(client.set_index("missing", HNSW)) == missing
    assert await refusal_of(client.set_index("missing", None)) == missing


async def test_what_is_meant_for_another_engine_is_refused(
    subject: Subject, schema: CollectionSchema
) -> None:
    """A call that names an instance is done by that one alone; others do nothing at all. Servers
    that have no id do not look.
    """
    instance = await subject.client.instance()
    assert (instance is not None) == subject.traits.has_instance
    if instance is None:
        return
    await subject.engines.at(subject.target._replace(instance=instance)).create(schema)
    another = subject.engines.at(subject.target._replace(instance="f" * 32))
    with pytest.raises(WrongEngine):
        await another.drop(schema.name)
    assert await subject.client.describe(schema.name) is not None


async def test_a_server_that_is_not_there_is_unreachable(
    subject: Subject, schema: CollectionSchema
) -> None:
    """Every call says so, and names the address."""
    client, name = subject.engines.at(Target(NOBODY, subject.target.type)), schema.name
    calls: list[Awaitable[object]] = [
        client.version(),
        *([client.instance()] if subject.traits.has_instance else []),
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
        client.search_once(schema),
    ]
    for call in calls:
        with pytest.raises(EngineUnreachable, match=NOBODY):
            await call
