import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.control.observe.metrics import Metrics

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> ControlPlane:
    """A control plane that knows our kinds."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={CRDS}")
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    return control_plane


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def api(crds: ControlPlane, metrics: Metrics) -> AsyncIterator[KubernetesClient]:
    configuration = await load_configuration({"KUBECONFIG": str(crds.kubeconfig)})
    async with KubernetesClient(Connection(configuration, metrics)) as client:
        yield client


@pytest.fixture(scope="module")
def engine_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data") as engine:
        yield engine


@pytest.fixture
async def engines() -> AsyncIterator[Milvus1Engines]:
    engines = Milvus1Engines()
    yield engines
    await engines.close()


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a server that takes connections and says nothing."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(
        lambda _reader, writer: taken.append(writer), "127.0.0.1", 0
    )
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for writer in taken:
        writer.close()
    server.close()
    await server.wait_closed()
