"""What a plan says of collections on a running Milvus 2.3.5, held against what then happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import ControlPlane
from machine.milvus_servers import MilvusServer
from machine.paths import platform_name
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from support import manifests
from support.admin_api import AdminApi
from support.manifests import collection
from support.milvus_client import Milvus
from support.namespaces import Namespace
from support.operators import running
from support.planning import Pipeline

HNSW = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF = {"type": "IVF_FLAT", "params": {"nlist": 64}}
PRUNED = ("--prune", "--selector=team=search")
ROWS, ROW = 200, 8 + 4 * 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MilvusServer]:
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path) as running_server:
        yield running_server


async def test_a_plan_says_what_becomes_of_a_collection(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Drivers,
    server: MilvusServer,
    quiver_api: ControlPlane,
) -> None:
    """From its creation, an index that takes it out of memory for a while, to its rows' end."""
    world = Namespace(namespace, api, operator_api, engines, server.address)
    milvus, pipeline = engines.at(Target(server.address, "Milvus")), Pipeline(world, quiver_api)
    engine = manifests.engine(type="Milvus", external={"endpoints": [server.address]})
    docs, other = (collection("docs", index=index) for index in (HNSW, IVF))
    for manifest in (docs, other):
        manifest["metadata"]["labels"] = {"team": "search"}
    async with running(operator_api, engines, resync_period=2):
        planned = await pipeline.plan(engine, docs)
        assert (planned.code, planned.actions) == (2, {"docs": "create", "engine": "create"})
        await pipeline.apply(engine, docs)
        await world.ready("docs")
        assert (await pipeline.plan(engine, docs)).code == 0
        user = Milvus(server.address)
        user.insert("docs", ROWS, "_default")
        user.close()
        planned = await pipeline.plan(other)
        assert (planned.code, planned.of("docs")["danger"]) == (2, "INTERRUPTS")
        await pipeline.apply(other)
        await world.ready("docs")
        planned = await pipeline.plan(engine, options=PRUNED)
        found = planned.of("docs")
        assert (planned.code, found["action"], found["rows"]) == (3, "drop", ROWS)
        assert found["bytes"] == ROWS * ROW
        assert await milvus.describe("docs") is not None
        await world.delete("docs")
        await world.gone("docs")
        assert await milvus.describe("docs") is None
