from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from clients.engine_process import EngineProcess
from harness import AdminApi, World
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.control.metrics import Metrics
from quiver.domain.objects import VECTOR_ENGINE

from localcluster import ControlPlane

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
SYSTEM = "quiver-system"


@pytest.fixture(scope="session")
def quiver_api(control_plane: ControlPlane) -> ControlPlane:
    """A control plane with Quiver installed, but for its Deployment: tests run their own."""
    installed = [m for m in yaml.safe_load_all(INSTALL.read_text()) if m["kind"] != "Deployment"]
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(installed))
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return control_plane


@pytest.fixture(scope="session")
def operator_kubeconfig(quiver_api: ControlPlane) -> Path:
    """The operator's own service account, with the rights that the manifest gives it."""
    return quiver_api.service_account_kubeconfig(SYSTEM, "quiver")


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[AdminApi]:
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig)})
    async with AdminApi(Connection(configuration, Metrics())) as client:
        yield client


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
