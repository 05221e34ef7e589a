"""`quiver import`: what users made is printed, applied, and adopted as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from machine.milvus_servers import MilvusLiteServer, MilvusServer
from machine.paths import platform_name
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.collection_schemas import ObservedCollection, ObservedLoad
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver_proto import milvus_pb2 as pb
from support.admin_api import AdminApi
from support.faulty_engine import Fault, FaultyEngine, Proceed
from support.interruptions import steps_of
from support.milvus1_client import Milvus1, accepted
from support.namespaces import Namespace
from support.operators import running
from support.planning import Pipeline
from support.quiver_command import Ran, quiver
from support.schema_users import pymilvus
from support.tenants import Tenant

WRITES = {"patch object", "patch status"}
HNSW, L2, IP = 11, 1, 2
USERS = """
from pymilvus import DataType

client.create_collection("Quick_Start", dimension=8)
schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
schema.add_field("price", DataType.DOUBLE)
schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=8)
index = client.prepare_index_params()
index.add_index("embedding", index_type="HNSW", metric_type="IP",
                params={"M": 16, "efConstruction": 64})
client.create_collection("goods", schema=schema, index_params=index)
client.insert("goods", [{"key": "a", "price": 1.5, "embedding": [0.5] * 8}])
told = sorted(client.list_collections())
"""


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as server:
        yield server


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusLiteServer]:
    with MilvusLiteServer(tmp_path_factory.mktemp("milvus-lite")) as server:
        yield server


@pytest.fixture
async def milvus_world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Drivers,
    request: pytest.FixtureRequest,
) -> Namespace:
    """A namespace whose VectorEngine `milvus` leads to the server of the fixture that is named."""
    address: str = request.getfixturevalue(request.param).address
    spec = {"type": "Milvus", "external": {"endpoints": [address]}}
    world = Namespace(namespace, api, operator_api, engines, address)
    await world.create(VECTOR_ENGINE, "milvus", spec)
    return world


async def import_(plane: ControlPlane, world: Namespace, *arguments: str) -> Ran:
    return await quiver(plane.kubeconfig, "import", f"--namespace={world.namespace}", *arguments)


def documents(ran: Ran) -> dict[str, Manifest]:
    found = [each for each in yaml.safe_load_all(ran.output) if each is not None]
    return {each["metadata"]["name"]: each for each in found}


async def check_plan(plane: ControlPlane, world: Namespace, text: str) -> None:
    """A plan says of each that it is adopted."""
    done = await asyncio.to_thread(Pipeline(world, plane).text, text, "--output=json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["summary"]) == (2, {"adopt": 2}), done.stdout


async def apply(plane: ControlPlane, text: str) -> None:
    await asyncio.to_thread(lambda: plane.kubectl("apply", "--filename=-", input=text))


def made(client: Milvus1) -> None:
    """Two collections of somebody who does not know Quiver."""
    accepted(client.create("Docs_2024", dimension=8, index_file_size=64, metric_type=IP))
    accepted(client.create_partition("Docs_2024", "de"))
    client.insert("Docs_2024", [[0.5] * 8] * 3, tag="de")
    accepted(client.flush("Docs_2024"))
    accepted(client.create_index("Docs_2024", HNSW, '{"M": 16, "efConstruction": 64}'))
    accepted(client.create("plain", dimension=16, metric_type=L2))


def listing(*names: str) -> Fault:
    """Return a fault: the server lists these collections, too."""

    async def fault(proceed: Proceed, _context: object) -> bytes:
        found = pb.CollectionNameList.FromString(await proceed())
        found.collection_names.extend(names)
        return found.SerializeToString()

    return fault


async def test_what_is_on_an_engine_is_adopted_as_it_is(
    world: Namespace, client: Milvus1, quiver_api: ControlPlane
) -> None:
    """On Quiver's own engine: the operator asks it to change nothing."""
    made(client)
    ran = await import_(quiver_api, world, "engine")
    assert (ran.code, ran.errors) == (0, "Printed: 2.\n")
    assert documents(ran)["docs-2024"] == {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": "docs-2024", "namespace": world.namespace},
        "spec": {
            "engineRef": {"name": "engine"},
            "collectionName": "Docs_2024",
            "dimension": 8,
            "indexFileSize": 64,
            "metricType": "IP",
            "index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}},
            "partitions": ["de"],
            "adoptionPolicy": "IfIdentical",
            "deletionPolicy": "Retain",
        },
    }
    before = [await world.engine.describe(name) for name in ("Docs_2024", "plain")]
    await check_plan(quiver_api, world, ran.output)
    await apply(quiver_api, ran.output)
    steps = await steps_of(world, world.ready("docs-2024", "plain"))
    assert set(steps) <= WRITES
    for manifest in await world.ready("docs-2024", "plain"):
        assert manifest["status"]["origin"] == "Adopted"
    assert [await world.engine.describe(name) for name in ("Docs_2024", "plain")] == before
    assert client.count("Docs_2024") == 3
    again = await import_(quiver_api, world, "engine")
    assert (again.code, again.output) == (0, "")
    assert "Left out, since VectorCollections hold them: 2 (Docs_2024, plain)." in again.errors


@pytest.mark.parametrize("milvus_world", ["milvus", "lite"], indirect=True)
async def test_what_is_on_milvus_is_adopted_with_no_more_than_a_mark(
    milvus_world: Namespace, quiver_api: ControlPlane
) -> None:
    """Collections of pymilvus, the short form and a whole schema."""
    world = milvus_world
    assert await pymilvus(USERS, world.address) == ["Quick_Start", "goods"]
    ran = await import_(quiver_api, world, "milvus")
    assert (ran.code, set(documents(ran))) == (0, {"quick-start", "goods"}), ran.errors
    before = await seen(world)
    async with running(world.operator_api, world.engines):
        await world.settled_engine("milvus")
    await check_plan(quiver_api, world, ran.output)
    await apply(quiver_api, ran.output)
    steps = await steps_of(world, world.ready("quick-start", "goods"))
    assert set(steps) == WRITES | {"alter_properties"}
    for manifest in await world.ready("quick-start", "goods"):
        assert manifest["status"]["origin"] == "Adopted"
    assert await seen(world) == before
    again = await import_(quiver_api, world, "milvus")
    assert (again.code, again.output) == (0, "")


async def seen(world: Namespace) -> list[Any]:
    """Return what the server says of its collections, but for Quiver's own marks."""
    client = world.engines.at(Target(world.address, "Milvus"))
    assert client.fields is not None
    assert client.loads is not None
    said: list[ObservedCollection | ObservedLoad | Any] = []
    for name in sorted(await client.list_collections()):
        found = await client.describe(name)
        assert found is not None
        for key in [key for key in found.properties if key.startswith("quiver.dev/")]:
            found.properties.pop(key)
        said += [found, await client.fields.describe_indexes(name)]
        said += [await client.loads.describe_load(name), await client.count_rows(name)]
    return said


async def test_collections_are_chosen_by_name(
    world: Namespace, client: Milvus1, quiver_api: ControlPlane
) -> None:
    made(client)
    ran = await import_(quiver_api, world, "engine", "--collection=plain")
    assert (ran.code, set(documents(ran))) == (0, {"plain"})
    unknown = await import_(quiver_api, world, "engine", "-c", "plain", "-c", "no\nne")
    assert (unknown.code, unknown.output) == (1, "")
    assert unknown.errors.count("\n") == 1
    assert "has no collection 'no\\nne'" in unknown.errors


async def test_what_no_spec_can_say_is_told_and_the_rest_is_printed(
    world: Namespace, client: Milvus1, quiver_api: ControlPlane
) -> None:
    """A server's hostile names break out of no line, no comment and no document."""
    made(client)
    hostile = "x\n---\nkind: Secret\x1b[31m"

    async def describes(proceed: Proceed, _context: object) -> bytes:
        found = pb.CollectionSchema.FromString(await proceed())
        if found.status.error_code != pb.SUCCESS:
            found = pb.CollectionSchema(collection_name=hostile, dimension=8, metric_type=1)
        return found.SerializeToString()

    async def partitions(proceed: Proceed, _context: object) -> bytes:
        found = pb.PartitionList.FromString(await proceed())
        return pb.PartitionList(partition_tag_array=found.partition_tag_array).SerializeToString()

    async with FaultyEngine(world.address) as engine:
        engine.spoil(listing(hostile), "ShowCollections")
        engine.spoil(describes, "DescribeCollection")
        engine.spoil(partitions, "ShowPartitions")
        endpoints = {"external": {"endpoints": [engine.address]}}
        await world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
        ran = await import_(quiver_api, world, "engine")
    assert ran.code == 1
    assert {each["kind"] for each in documents(ran).values()} == {"VectorCollection"}
    assert set(documents(ran)) == {"docs-2024", "plain"}
    told = "Incomplete: 1 of 3 collections are not in it."
    assert ran.output.startswith(f"# {told}\n---\n")
    lines = ran.errors.splitlines()
    assert lines[0] == "Printed: 2."
    assert lines[1].startswith("Error: 'x\\n---\\nkind: Secret\\x1b[31m' is not printed: ")
    assert lines[2:] == [f"Error: {told}"]


async def test_an_engine_of_several_members_is_refused(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """No spec can say which: the collection could be made anew on another."""
    endpoints = {"external": {"endpoints": [world.address, "127.0.0.9:19530"]}}
    await world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
    ran = await import_(quiver_api, world, "engine")
    assert (ran.code, ran.output) == (1, "")
    assert "has 2 members" in ran.errors
    assert "Make a VectorEngine for each endpoint" in ran.errors


async def test_who_asks_for_a_collection_already_gets_no_second_object(
    world: Namespace, client: Milvus1, quiver_api: ControlPlane
) -> None:
    made(client)
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await world.create_collection("mine", collectionName="plain")
        await world.says("mine", "AlreadyExists")
    ran = await import_(quiver_api, world, "engine")
    assert (ran.code, set(documents(ran))) == (0, {"docs-2024"})
    assert "ask for them without holding them: 1 (plain)." in ran.errors


async def test_without_an_answer_nothing_is_printed(
    world: Namespace, engine_process: EngineProcess, quiver_api: ControlPlane, tenant: Tenant
) -> None:
    """An engine that is down, or not there, or not to be seen: one line, and exit code 1."""
    other = quiver_api.service_account_kubeconfig(tenant.namespace, "tenant")
    engine = f"{world.namespace}/engine"
    refused = await quiver(Path(other), "import", "-n", tenant.namespace, engine)
    absent = await import_(quiver_api, world, "nothing")
    everywhere = await quiver(quiver_api.kubeconfig, "import", "engine", "-A")
    guest = await quiver(quiver_api.kubeconfig, "import", "-n", tenant.namespace, engine)
    engine_process.kill()
    down = await import_(quiver_api, world, "engine")
    lost = await import_(quiver_api, world, "engine", "--kubeconfig=/nowhere")
    for ran, words in (
        (refused, "may not be read"),
        (absent, f"there is no VectorEngine {world.namespace}/nothing"),
        (everywhere, "name the one namespace"),
        (guest, "allowedNamespaces.mayAdopt"),
        (down, "does not answer as it should"),
        (lost, "no Kubernetes cluster"),
    ):
        assert (ran.code, ran.output) == (1, "")
        assert words in ran.errors
        assert ran.errors.count("\n") == 1
