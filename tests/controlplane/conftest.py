from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from clients.engine_process import EngineProcess
from harness import AdminApi, World
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.control.metrics import Metrics
from quiver.domain.objects import VECTOR_ENGINE

from localcluster import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def quiver_api(control_plane: ControlPlane) -> ControlPlane:
    """A control plane that knows Quiver's kinds."""
    control_plane.kubectl("apply", "-f", str(CRDS))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return control_plane


@pytest.fixture
async def api(quiver_api: ControlPlane) -> AsyncIterator[AdminApi]:
    configuration = await load_configuration({"KUBECONFIG": str(quiver_api.kubeconfig)})
    async with AdminApi(Connection(configuration, Metrics())) as client:
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
    namespace: str, api: AdminApi, engines: Milvus1Engines, engine_process: EngineProcess
) -> World:
    """A namespace with a VectorEngine `engine` that points to a running engine process."""
    world = World(namespace, api, engines, engine_process.grpc_address)
    endpoints = {"endpoints": [engine_process.grpc_address]}
    await world.create(VECTOR_ENGINE, "engine", {"external": endpoints})
    return world
