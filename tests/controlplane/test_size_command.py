"""`quiver size` of a collection that exists, beside a real API server, operator and engine."""

from pathlib import Path

import pytest

from localcluster import ControlPlane
from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import VECTOR_COLLECTION
from support.namespaces import Namespace
from support.operators import running
from support.quiver_command import quiver


@pytest.fixture
def kubeconfig(quiver_api: ControlPlane) -> Path:
    return quiver_api.kubeconfig


async def test_a_collection_is_sized_by_its_rows_and_its_spec(
    world: Namespace, engines: Drivers, kubeconfig: Path
) -> None:
    """What it has now stands beside what to take; options say what may become of it."""
    index = {"type": "HNSW", "params": {"M": 8, "efConstruction": 100}}
    async with running(world.operator_api, engines):
        await world.create_collection("items", indexFileSize=256, index=index)
        await world.ready("items")
        where = ("size", "vcol/items", "-n", world.namespace)
        now = await quiver(kubeconfig, *where)
        later = await quiver(kubeconfig, *where, "--rows=1G", "--inserts=0/day")
    assert (now.code, now.errors) == (0, "")
    lines = {line.split()[0]: line.split() for line in now.output.splitlines()}
    assert lines["WHAT"] == ["WHAT", "NOW", "TAKE", "WHY"]
    assert lines["indexFileSize"][1:3] == ["256", "1024"]
    assert lines["index"][1:4] == ["HNSW", "M", "8"]
    assert now.output.splitlines()[-1] == "It has 0 rows now."
    assert "indexFileSize  256" in later.output
    assert "2048" in later.output


async def test_what_cannot_be_measured_is_said(
    world: Namespace, engines: Drivers, kubeconfig: Path
) -> None:
    """In one line, with exit code 1."""
    async with running(world.operator_api, engines):
        await world.create(VECTOR_COLLECTION, "lost", {"engineRef": {"name": "x"}, "dimension": 8})
        await world.settled("lost", "EngineNotFound")
        lost = await quiver(kubeconfig, "size", "vcol/lost", "-n", world.namespace)
        gone = await quiver(kubeconfig, "size", "vcol/gone", "-n", world.namespace)
    assert lost.code == gone.code == 1
    assert f"VectorCollection {world.namespace}/lost has no collection yet" in lost.errors
    assert f"there is no VectorCollection {world.namespace}/gone" in gone.errors
    assert lost.output == gone.output == ""


@pytest.mark.parametrize("arguments", [("items",), ("pod/items",), ("vcol/items", "-A")])
async def test_a_mistake_of_usage_is_named(kubeconfig: Path, arguments: tuple[str, ...]) -> None:
    ran = await quiver(kubeconfig, "size", *arguments)
    assert ran.code == 1
    assert "vcol/docs" in ran.errors or "name it with -n" in ran.errors
