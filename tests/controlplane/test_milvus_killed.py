"""A Milvus 2.3.5 that is killed at work, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from machine.milvus_servers import MilvusServer
from machine.paths import platform_name
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.admin_api import AdminApi
from support.forwarder import Forwarder
from support.milvus_client import Milvus
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import eventually

BACK_S = 120.0
ROWS = 20_000
HNSW: Manifest = {"type": "HNSW", "params": {"M": 64, "efConstruction": 512}}
LOOK: dict[str, Any] = {"resync_period": 2}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as running_server:
        yield running_server


async def test_an_index_is_built_by_a_server_that_was_killed_while_it_built(
    namespace: str, api: AdminApi, operator_api: AdminApi, engines: Drivers, server: MilvusServer
) -> None:
    """Meanwhile the object says that the server does not answer. No row is lost."""
    async with Forwarder() as forwarder:
        forwarder.lead_to(server.address)
        world = Namespace(namespace, api, operator_api, engines, forwarder.address)
        spec = {"type": "Milvus", "external": {"endpoints": [forwarder.address]}}
        await world.create(VECTOR_ENGINE, "engine", spec)
        async with running(world.operator_api, world.engines, **LOOK):
            await world.create_collection("docs")
            await world.ready("docs")
            await asyncio.to_thread(_insert, server.address)
            await world.patch("docs", {"spec": {"index": HNSW}})
            await says(world, "IndexBuilding", "Loading")
            server.kill()
            await says(world, "EngineUnreachable", "EngineNotReady")
            await asyncio.to_thread(server.start)
            forwarder.lead_to(server.address)
            manifest = await says(world, "Available")
        assert manifest["status"]["index"] == HNSW
        client = engines.at(Target(forwarder.address, "Milvus"))
        await client.search_once(CollectionSchema(name="docs", dimension=8, metric_type="L2"))
        assert await client.count_rows("docs") == ROWS


def _insert(address: str) -> None:
    user = Milvus(address)
    user.insert("docs", ROWS, "_default")
    user.close()


async def says(world: Namespace, *reasons: str) -> Manifest:
    """Wait until the object says one of the reasons."""

    async def holds() -> Manifest | None:
        manifest = await world.get("docs")
        return manifest if ready_condition(manifest)["reason"] in reasons else None

    found: Manifest = await eventually(holds, f"docs says one of {reasons}", BACK_S)
    return found
