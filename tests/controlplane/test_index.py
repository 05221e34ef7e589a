"""An index follows the spec, is built while others are looked after, and is repaired."""

import msgspec

from quiver.domain.collection_schemas import IndexProgress, ObservedIndex
from quiver.domain.data_loss import DATA_LOST
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Manifest
from support.fake_engine import FakeEngine
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.waiting import eventually

HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF: Manifest = {"type": "IVF_FLAT", "params": {"nlist": 64}}
NO_GPU: Manifest = {"type": "IVF_SQ8H", "params": {"nlist": 64}}
SMALL = {"dimension": 512, "indexFileSize": 1}
"""Of such a collection 512 rows fill a segment."""
PROGRESS = IndexProgress(built=0, total=1)


def index(spec: Manifest) -> ObservedIndex:
    return ObservedIndex(index=Index(type=spec["type"], params=spec["params"]))


async def on_engine(world: Namespace, name: str, expected: ObservedIndex) -> None:
    async def holds() -> bool:
        return await world.engine.describe_index(name) == expected

    await eventually(holds, f"the index of {name} is {expected.index}")


async def built(world: Namespace, name: str) -> Manifest:
    """Wait until the object is Ready, its index being built."""
    (manifest,) = await world.ready(name)
    assert types(manifest) <= {"Ready", DATA_LOST}
    return manifest


async def building(world: Namespace, name: str, *words: str) -> None:
    """Wait until the object says that its index is being built, and how far it is."""

    async def holds() -> bool:
        manifest = await world.get(name)
        said = ready_condition(manifest)
        told = said["reason"] == "IndexBuilding" and all(word in said["message"] for word in words)
        return told and types(manifest) == {"Ready", "Reconciling"}

    await eventually(holds, f"{name} says that its index is being built: {words}")


def to(spec: Manifest | None) -> Manifest:
    """Return the merge patch that leaves nothing of the index before it."""
    if spec is None:
        return {"spec": {"index": None}}
    gone = dict.fromkeys({**HNSW["params"], **IVF["params"]})
    return {"spec": {"index": {"type": spec["type"], "params": gone | spec["params"]}}}


async def test_an_index_is_set_changed_and_taken_away(world: Namespace) -> None:
    """The engine has what the spec says, each time, and status says what that is."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", index=HNSW)
        assert (await built(world, "docs"))["status"]["index"] == HNSW
        assert await world.engine.describe_index("docs") == index(HNSW)
        await world.patch("docs", to(IVF))
        assert (await built(world, "docs"))["status"]["index"] == IVF
        assert await world.engine.describe_index("docs") == index(IVF)
        await world.patch("docs", to(None))
        assert "index" not in (await built(world, "docs"))["status"]
        assert await world.engine.describe_index("docs") == ObservedIndex(index=None)


async def test_vectors_are_indexed_and_all_is_ready(world: Namespace, client: Milvus1) -> None:
    """An index over vectors that are there already is built by the engine, and then Available."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        vectors = [[float(n % 97), float(n % 89)] * 4 for n in range(5000)]
        client.insert("docs", vectors)
        client.flush("docs")
        await world.patch("docs", {"spec": {"index": IVF}})
        await built(world, "docs")
        await on_engine(world, "docs", index(IVF))
    assert client.count("docs") == 5000


async def test_an_index_changed_behind_our_back_is_repaired(fake_world: Namespace) -> None:
    """Changed or taken away on the engine, it is as the spec says when the operator verifies."""
    world = fake_world
    async with running(world.operator_api, world.engines, verify_period=1):
        await world.create_collection("docs", index=HNSW)
        await built(world, "docs")
        for drift in (None, index(IVF).index):
            await world.engine.set_index("docs", drift)
            await on_engine(world, "docs", index(HNSW))
        await built(world, "docs")


async def test_an_index_that_others_made_is_left_alone(fake_world: Namespace) -> None:
    """A spec without an index says nothing of one that a client set."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.engine.set_index("docs", index(IVF).index)
        await world.patch("docs", {"spec": {"partitions": ["a"]}})
        await world.ready("docs")
    assert await world.engine.describe_index("docs") == index(IVF)


async def test_building_is_told_and_holds_no_worker(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """More indexes are being built than there are workers: each object tells how far its own is,
    and another collection is Ready meanwhile.
    """
    world = fake_world
    names = [f"docs{number}" for number in range(12)]
    fake.build_slowly()
    async with running(world.operator_api, world.engines):
        for name in names:
            await world.create_collection(name, **SMALL)
        await world.ready(*names)
        for name in names:
            fake.insert(name, 3 * 512)
            await world.patch(name, {"spec": {"index": IVF}})
        for name in names:
            await building(world, name, "IVF_FLAT", " 0 % of the segments")
        await world.create_collection("other")
        await world.ready("other")
        fake.build_segment("docs0")
        await building(world, "docs0", " 30 % of the segments")
        for name in names:
            while fake.found(name).built is not None:
                fake.build_segment(name)
        await world.ready(*names)


async def test_a_change_of_mind_while_it_is_built(fake_world: Namespace, fake: FakeEngine) -> None:
    """An index that is taken off the spec before it is built is taken off the engine, and one that
    takes its place is built after it.
    """
    world = fake_world
    fake.build_slowly()
    async with running(world.operator_api, world.engines):
        for name in ("dropped", "changed"):
            await world.create_collection(name, **SMALL)
            await world.ready(name)
            fake.insert(name, 512)
            await world.patch(name, {"spec": {"index": IVF}})
            await building(world, name)
        await world.patch("dropped", to(None))
        await built(world, "dropped")
        await world.patch("changed", to(HNSW))
        await building(world, "changed", "HNSW")
        fake.build_segment("changed")
        await on_engine(world, "changed", msgspec.structs.replace(index(HNSW), progress=PROGRESS))
        fake.build_segment("changed")
        await built(world, "changed")
    assert await world.engine.describe_index("dropped") == ObservedIndex(index=None)


async def test_a_full_partition_is_not_forgotten_while_an_index_is_built(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """DeleteIfEmpty: taken off the list it is dropped once it is empty, whatever else goes on."""
    world = fake_world
    fake.build_slowly()
    async with running(world.operator_api, world.engines):
        await world.create_collection(
            "docs", **SMALL, partitions=["a"], deletionPolicy="DeleteIfEmpty"
        )
        await world.ready("docs")
        fake.insert("docs", 512, "a")
        await world.patch("docs", {"spec": {"index": IVF, "partitions": []}})
        await building(world, "docs")
        fake.build_segment("docs")
        await world.says("docs", "NotEmpty", "'a' with 512 vectors")
        fake.empty("docs", "a")
        await built(world, "docs")
    found = await world.engine.describe("docs")
    assert found is not None
    assert found.partitions == frozenset()


async def test_an_index_that_the_engine_refuses_stalls(fake_world: Namespace) -> None:
    """IVF_SQ8H without a GPU: the reason stands in the condition, the collection is there, and
    another index mends it.
    """
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", index=NO_GPU)
        stalled = await world.says("docs", "EngineRefused", "IVF_SQ8H", "GPU")
        assert types(stalled) == {"Ready", "Stalled"}
        assert await world.engine.describe("docs") is not None
        assert stalled["status"]["placement"] == {"endpoint": world.address}
        assert stalled["status"]["origin"] == "Created"
        await world.patch("docs", to(HNSW))
        await built(world, "docs")


async def test_our_engine_without_a_gpu_refuses_ivf_sq8h(world: Namespace) -> None:
    """Its words stand in the condition."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", index=NO_GPU)
        await world.says("docs", "EngineRefused", "IVF_SQ8H", "GPU")


async def test_a_collection_made_anew_gets_its_index(fake_world: Namespace) -> None:
    """Dropped behind our back, it comes back with partitions and index."""
    world = fake_world
    async with running(world.operator_api, world.engines, resync_period=1):
        await world.create_collection("docs", partitions=["a"], index=HNSW)
        await built(world, "docs")
        await world.engine.drop("docs")

        async def is_back() -> bool:
            return await world.engine.describe("docs") is not None

        await eventually(is_back, "the collection is back")
        await on_engine(world, "docs", index(HNSW))
        await built(world, "docs")
