"""A collection is Ready once its index is built, whichever process began to build it."""

import asyncio

import numpy as np

from machine.engine_process import EngineProcess
from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import Manifest
from support.fake_engine import FakeEngine
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, ready_condition, types
from support.operators import looked, running
from support.waiting import eventually

IVF: Manifest = {"type": "IVF_FLAT", "params": {"nlist": 16}}
SLOW: Manifest = {"type": "HNSW", "params": {"M": 64, "efConstruction": 512}}
ROWS, DIMENSION = 8000, 64


def insert(client: Milvus1, name: str, rows: int) -> None:
    """Write rows that are flushed into one segment, which stays far from full."""
    vectors = np.random.default_rng(1).normal(size=(rows, DIMENSION)).astype(np.float32)
    assert client.insert(name, vectors).status.error_code == 0
    assert client.flush(name).error_code == 0


async def is_ready(world: Namespace, name: str) -> bool:
    manifest = await world.get(name)
    said, current = ready_condition(manifest), manifest["metadata"]["generation"]
    return said["status"] == "True" and said["observedGeneration"] == current


async def test_a_build_outlasts_the_operator_that_began_it(
    world: Namespace, client: Milvus1
) -> None:
    """After a restart the object is not Ready until the engine has built the index, and then is."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", dimension=DIMENSION)
        await world.ready("docs")
        await asyncio.to_thread(insert, client, "docs", ROWS)
        await world.patch("docs", {"spec": {"index": SLOW}})
        await world.says("docs", "IndexBuilding")
    await world.engines.close()
    restarted = Drivers()
    async with running(world.operator_api, restarted) as operator:
        await looked(operator)
        await _ready_once_built(world, client, "docs")
    await restarted.close()


async def test_rows_that_get_no_index_yet_keep_nothing_from_being_ready(
    world: Namespace, client: Milvus1
) -> None:
    """A segment that has grown since the index was built waits until it is full."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", dimension=DIMENSION, index=IVF)
        await world.ready("docs")
    await asyncio.to_thread(insert, client, "docs", 5000)
    async with running(world.operator_api, world.engines) as operator:
        await looked(operator)
        assert await is_ready(world, "docs")
    assert client.index_names("docs") == ["IDMAP"]


async def test_why_a_build_failed_stays_until_it_is_built(
    world: Namespace, client: Milvus1, engine_process: EngineProcess
) -> None:
    """The engine's words are in the condition, after a restart of the operator too. Once the cause
    is gone, the engine builds the index and the object is Ready.
    """
    engine_process.stop()
    engine_process.start("--memory", "1000000")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", dimension=DIMENSION)
        await world.ready("docs")
        await asyncio.to_thread(insert, client, "docs", 5000)
        await world.patch("docs", {"spec": {"index": IVF}})
        failed = await world.says("docs", "IndexFailed", "IVF_FLAT", "takes 1.3 MiB")
        assert types(failed) == {"Ready", "Reconciling"}
    restarted = Drivers()
    async with running(world.operator_api, restarted) as operator:
        await looked(operator, 3)
        again = await world.says("docs", "IndexFailed")
        assert again["metadata"]["resourceVersion"] == failed["metadata"]["resourceVersion"]
        engine_process.stop()
        engine_process.start()
        await world.ready("docs")
    await restarted.close()
    assert client.index_names("docs") == ["IVFFLAT"]


async def test_a_build_that_fails_at_once_is_told_as_one_that_fails_later(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """The engine refuses the call and has noted the index all the same: it tries again itself."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", dimension=512, indexFileSize=1)
        await world.ready("docs")
        fake.insert("docs", 512)
        fake.fail_builds("no room")
        await world.patch("docs", {"spec": {"index": IVF}})
        await world.says("docs", "IndexFailed", "no room")
        fake.fail_builds(None)
        await world.ready("docs")
    assert fake.calls["set_index"] == 1


async def _ready_once_built(world: Namespace, client: Milvus1, name: str) -> None:
    async def is_built() -> bool:
        ready = await is_ready(world, name)
        has_index = "IDMAP" not in client.index_names(name)
        assert has_index or not ready
        return ready and has_index

    await eventually(is_built, f"{name} is Ready")
