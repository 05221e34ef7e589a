from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from clients.engine_process import EngineProcess
from harness import AdminApi, World, connected, install
from localcluster import ControlPlane
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.objects import VECTOR_ENGINE


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """The operator's own service account, with the rights that the manifest gives it."""
    return install(control_plane)


@pytest.fixture(scope="session")
def quiver_api(control_plane: ControlPlane, operator_kubeconfig: Path) -> ControlPlane:
    """A control plane with Quiver installed, but for its Deployment: tests run their own."""
    return control_plane


@pytest.fixture
async def api(quiver_api: ControlPlane) -> AsyncIterator[AdminApi]:
    async with connected(quiver_api.kubeconfig) as client:
        yield client


@pytest.fixture
async def operator_api(operator_kubeconfig: Path) -> AsyncIterator[AdminApi]:
    async with connected(operator_kubeconfig) as client:
        yield client


@pytest.fixture
def engine_process(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path / "engine") as engine:
        yield engine


@pytest.fixture
async def engines() -> AsyncIterator[Milvus1Engines]:
    engines = Milvus1Engines()
    yield engines
    await engines.close()


@pytest.fixture
async def world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Milvus1Engines,
    engine_process: EngineProcess,
) -> World:
    """A namespace with a VectorEngine `engine` that points to a running engine process."""
    world = World(namespace, api, operator_api, engines, engine_process.grpc_address)
    endpoints = {"endpoints": [engine_process.grpc_address]}
    await world.create(VECTOR_ENGINE, "engine", {"external": endpoints})
    return world
