"""The life of collections on a running Milvus 2.3.5."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from machine.milvus_servers import MilvusServer
from machine.paths import platform_name
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedLoad
from quiver.domain.collections import OWNER_PROPERTY
from quiver.domain.data_loss import DATA_LOST
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Manifest
from quiver.ports.engines import EngineClient, Loads
from support.admin_api import AdminApi
from support.milvus_client import Milvus
from support.namespaces import Namespace, types
from support.operators import running
from support.waiting import eventually

DEADLINE_S = 60.0
HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF: Manifest = {"type": "IVF_FLAT", "params": {"nlist": 64}}
LOADED = ObservedLoad(state="Loaded", replicas=1)
LOOK: dict[str, Any] = {"resync_period": 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """One server, on which collections have names of their own."""
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as running_server:
        yield running_server


@pytest.fixture
def user(server: MilvusServer) -> Iterator[Milvus]:
    """Somebody who uses the server without Quiver."""
    connected = Milvus(server.address)
    yield connected
    connected.close()


@pytest.fixture
async def world(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, server: MilvusServer
) -> Namespace:
    """A namespace with a VectorEngine `engine` of type Milvus, which leads to the server."""
    world = Namespace(namespace, api, operator_api, engines, server.address)
    spec = {"type": "Milvus", "external": {"endpoints": [server.address]}}
    await world.create(VECTOR_ENGINE, "engine", spec)
    return world


@pytest.fixture
def name(namespace: str) -> str:
    """The name of a collection that no other test has."""
    return namespace.replace("-", "_")


@pytest.fixture
def milvus(engines: Drivers, server: MilvusServer) -> EngineClient:
    return engines.at(Target(server.address, "Milvus"))


@pytest.fixture
def loads(milvus: EngineClient) -> Loads:
    found = milvus.loads
    assert found is not None
    return found


async def described(milvus: EngineClient, name: str) -> ObservedCollection:
    found = await milvus.describe(name)
    assert found is not None
    return found


async def until(holds: Callable[[], Any], what: str) -> Any:
    return await eventually(holds, what, DEADLINE_S)


def schema(name: str, metric: str = "L2") -> CollectionSchema:
    return CollectionSchema(name=name, dimension=8, metric_type=metric)


async def test_a_collection_can_be_searched_once_it_is_ready(
    world: Namespace, milvus: EngineClient, loads: Loads, name: str
) -> None:
    """It is made, indexed and loaded, and carries the mark of its object."""
    async with running(world.operator_api, world.engines):
        made = await world.create_collection("docs", collectionName=name, metricType="COSINE")
        (manifest,) = await world.ready("docs")
        await milvus.search_once(schema(name, "COSINE"))
    found = await described(milvus, name)
    assert found.schema.metric_type == manifest["status"]["metricType"] == "COSINE"
    assert found.properties[OWNER_PROPERTY] == made["metadata"]["uid"]
    assert found.other_fields == ()
    assert manifest["status"]["milvus"] == {"load": "Loaded"}
    assert "indexFileSize" not in manifest["status"]
    assert await loads.describe_load(name) == LOADED


async def test_vectors_are_searched_with_another_index(
    world: Namespace, milvus: EngineClient, loads: Loads, user: Milvus, name: str
) -> None:
    """The collection is released for it, indexed anew and loaded again, with its vectors."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", collectionName=name, index=HNSW)
        await world.ready("docs")
        user.insert(name, 2000, "_default")
        params = dict.fromkeys(HNSW["params"]) | IVF["params"]
        await world.patch("docs", {"spec": {"index": {**IVF, "params": params}}})
        (manifest,) = await world.ready("docs")
        assert manifest["status"]["index"] == IVF
        found = (await milvus.describe_index(name)).index
        assert Index(type="IVF_FLAT", params=IVF["params"]).is_met_by(found)
        assert await loads.describe_load(name) == LOADED
        assert user.count(name) == 2000
        await world.patch("docs", {"spec": {"index": None}})
        (manifest,) = await world.ready("docs")
        found_index = await milvus.describe_index(name)
        assert (found_index.index, found_index.missing) == (None, False)
        await milvus.search_once(schema(name))


async def test_a_collection_is_released_and_loaded_as_the_spec_says(
    world: Namespace, loads: Loads, name: str
) -> None:
    """Ready says that it cannot be searched meanwhile."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", collectionName=name)
        await world.ready("docs")
        await world.patch("docs", {"spec": {"milvus": {"load": {"enabled": False}}}})
        await world.says("docs", "Available", "spec.milvus.load.enabled is false")
        assert (await world.get("docs"))["status"]["milvus"]["load"] == "NotLoaded"
        assert (await loads.describe_load(name)).state == "NotLoaded"
        await world.patch("docs", {"spec": {"milvus": {"load": {"enabled": True}}}})
        await world.ready("docs")
        assert await loads.describe_load(name) == LOADED


async def test_partitions_and_properties_follow_the_spec(
    world: Namespace, milvus: EngineClient, name: str
) -> None:
    """Milvus 2.3.5 deletes no properties: that is said, and the rest is as the spec says."""
    ttl = {"collection.ttl.seconds": "3600"}
    async with running(world.operator_api, world.engines):
        await world.create_collection(
            "docs", collectionName=name, partitions=["a"], milvus={"properties": ttl}
        )
        await world.ready("docs")
        assert (await described(milvus, name)).properties.items() >= ttl.items()
        spec = {"partitions": ["b"], "milvus": {"properties": {"collection.ttl.seconds": "60"}}}
        await world.patch("docs", {"spec": spec})
        await world.ready("docs")
        found = await described(milvus, name)
        assert found.partitions == {"b"}
        assert found.properties["collection.ttl.seconds"] == "60"
        await world.patch("docs", {"spec": {"milvus": None}})
        manifest = await world.says("docs", "VersionTooOld", "'collection.ttl.seconds'", "2.5")
        assert manifest["status"]["milvus"]["properties"] == ["collection.ttl.seconds"]


async def test_a_database_is_waited_for_or_made(
    world: Namespace, milvus: EngineClient, name: str
) -> None:
    """Collections of one name in two databases are two, each with a Secret of its own."""
    database = f"db_{name}"
    async with running(world.operator_api, world.engines):
        of_database = {"milvus": {"database": database}, "binding": {"secretName": "there"}}
        await world.create_collection("there", collectionName=name, **of_database)
        await world.create_collection("here", collectionName=name, binding={"secretName": "here"})
        await world.ready("here")
        await world.says("there", "DatabaseNotFound", f"no database '{database}'")
        makes = {"spec": {"milvus": {"createDatabases": True}}}
        await world.patch("engine", makes, VECTOR_ENGINE)
        await world.look_now("there")
        (manifest,) = await world.ready("there")
        assert manifest["status"]["collectionName"] == f"{database}/{name}"
        assert {name, f"{database}/{name}"} <= await milvus.list_collections()
        for secret, told in (("there", database), ("here", "default")):
            data = (await world.get(secret, SECRET))["data"]
            entries = {key: base64.b64decode(value).decode() for key, value in data.items()}
            assert (entries["database"], entries["collection"]) == (told, name)
        await world.delete("there")
        await world.gone("there")
        assert name in await milvus.list_collections()
        assert f"{database}/{name}" not in await milvus.list_collections()


async def test_what_is_released_or_dropped_behind_our_back_comes_back(
    world: Namespace, milvus: EngineClient, loads: Loads, name: str
) -> None:
    """A release costs nothing; what is dropped is made anew, and the loss is told."""
    async with running(world.operator_api, world.engines, **LOOK):
        await world.create_collection("docs", collectionName=name)
        await world.ready("docs")
        await loads.release(name)
        await world.look_now("docs")

        async def is_loaded() -> bool:
            return await loads.describe_load(name) == LOADED

        await until(is_loaded, f"{name} is loaded again")
        assert DATA_LOST not in types(await world.get("docs"))
        await milvus.drop(name)
        await world.told("docs", "Recreated")
        (manifest,) = await world.ready("docs")
        assert DATA_LOST in types(manifest)
        await milvus.search_once(schema(name))


async def test_a_deletion_waits_for_aliases(
    world: Namespace, milvus: EngineClient, user: Milvus, name: str
) -> None:
    """Clients that use the alias would lose the collection without a word."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", collectionName=name)
        await world.ready("docs")
        user.create_alias(name, f"{name}_now")
        await world.delete("docs")
        await world.says("docs", "Aliased", f"{name}_now")
        await world.patch("docs", {"spec": {"deletionPolicy": "Retain"}})
        await world.gone("docs")
        assert name in await milvus.list_collections()


async def test_what_another_has_marked_is_left_alone(
    world: Namespace, milvus: EngineClient, loads: Loads, name: str
) -> None:
    """As an operator of another cluster does, which knows nothing of this one's claims."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", collectionName=name)
        await world.ready("docs")
        await loads.alter_properties(name, {OWNER_PROPERTY: "uid-of-another"}, ())
        await world.look_now("docs")
        await world.says("docs", "NameTaken", OWNER_PROPERTY)
        await world.delete("docs")
        await world.gone("docs")
        assert name in await milvus.list_collections()


async def test_a_collection_that_is_there_is_adopted(
    world: Namespace, milvus: EngineClient, user: Milvus, name: str
) -> None:
    """With its vectors, and with what it lacks: an index, so that it can be loaded."""
    await milvus.create(schema(name))
    user.insert(name, 100, "_default")
    async with running(world.operator_api, world.engines):
        made = await world.create_collection(
            "docs", collectionName=name, adoptionPolicy="IfIdentical"
        )
        (manifest,) = await world.ready("docs")
        assert manifest["status"]["origin"] == "Adopted"
        assert user.count(name) == 100
        found = await described(milvus, name)
        assert found.properties[OWNER_PROPERTY] == made["metadata"]["uid"]


async def test_what_the_version_cannot_do_is_said(world: Namespace, name: str) -> None:
    """With the version that could."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()

        async def is_told() -> bool:
            return "version" in (await world.get("engine", VECTOR_ENGINE))["status"]

        await until(is_told, "the engine tells its version")
        cagra = {"type": "GPU_CAGRA", "params": {}}
        await world.create_collection("docs", collectionName=name, index=cagra)
        await world.says("docs", "VersionTooOld", "the index GPU_CAGRA needs Milvus 2.4 or later")
