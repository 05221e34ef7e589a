"""What a collection on Milvus says while it cannot be searched, or cannot go."""

from __future__ import annotations

import pytest

from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.admin_api import AdminApi
from support.fake_engine import FakeEngines
from support.fake_milvus import FakeMilvus
from support.milvus_codes import NOT_LOADED, refused
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.waiting import eventually

CAGRA = {"type": "GPU_CAGRA", "params": {}}


@pytest.fixture
def milvus(fake_engines: FakeEngines, fake_address: str) -> FakeMilvus:
    """A Milvus in memory."""
    return fake_engines.start_milvus(fake_address)


@pytest.fixture
async def world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    fake_engines: FakeEngines,
    milvus: FakeMilvus,
    fake_address: str,
) -> Namespace:
    """A namespace with a VectorEngine `engine` of type Milvus that points to it."""
    assert milvus.up
    world = Namespace(namespace, api, operator_api, fake_engines, fake_address)
    spec = {"type": "Milvus", "external": {"endpoints": [fake_address]}}
    await world.create(VECTOR_ENGINE, "engine", spec)
    return world


async def test_a_load_is_followed_in_tenths(world: Namespace, milvus: FakeMilvus) -> None:
    """The object is Ready once all of it is in memory."""
    milvus.load_slowly()
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.says("docs", "Loading")
        milvus.load_part("docs", 48)

        async def holds() -> bool:
            return "40 % are in memory" in ready_condition(await world.get("docs"))["message"]

        await eventually(holds, "the object says how far the load is")
        assert types(await world.get("docs")) == {"Ready", "Reconciling"}
        milvus.load_part("docs", 100)
        (manifest,) = await world.ready("docs")
        assert manifest["status"]["milvus"] == {"load": "Loaded"}


async def test_a_collection_that_is_not_searched_is_not_ready(
    world: Namespace, milvus: FakeMilvus
) -> None:
    """Though all else is as the spec says."""
    milvus.refuse(refused(NOT_LOADED, "no shard leader is available"), "search_once")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        manifest = await world.says("docs", "NotSearchable", "no shard leader is available")
        assert types(manifest) == {"Ready", "Reconciling"}
        milvus.accept()
        await world.ready("docs")


async def test_a_database_is_waited_for(world: Namespace, milvus: FakeMilvus) -> None:
    """Whoever makes it, the collection follows."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", milvus={"database": "press"})
        await world.says("docs", "DatabaseNotFound", "'press'")
        milvus.create_database("press")
        await world.ready("docs")
        assert milvus.list_collections() == {"press/docs"}


async def test_an_upgrade_gives_what_the_version_could_not_do(
    world: Namespace, milvus: FakeMilvus
) -> None:
    """The collection goes on once the engine tells the new version."""
    milvus.told_version = "v2.3.5"
    async with running(world.operator_api, world.engines, resync_period=1):
        await world.settled_engine()

        async def is_told() -> bool:
            return "version" in (await world.get("engine", VECTOR_ENGINE))["status"]

        await eventually(is_told, "the engine tells its version")
        await world.create_collection("docs", index=CAGRA)
        await world.says("docs", "VersionTooOld", "is Milvus 2.3.5", "Milvus 2.4 or later")
        milvus.told_version = "v2.6.4"
        await world.ready("docs")


async def test_a_deletion_waits_until_no_alias_leads_to_the_collection(
    world: Namespace, milvus: FakeMilvus
) -> None:
    """Then it goes by itself."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        milvus.found("docs").aliases.add("now")
        await world.delete("docs")
        await world.says("docs", "Aliased", "'now'")
        milvus.found("docs").aliases.clear()
        await world.gone("docs")
        assert milvus.list_collections() == set()
