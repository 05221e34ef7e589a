import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind
from quiver.ports.errors import NotFound
from quiver.settings import Settings
from support.admin_api import AdminApi, connected
from support.fake_engine import FakeEngine, FakeEngines
from support.installation import install
from support.memory_limit import LimitedOperator, chart_limit, memory_cgroup
from support.milvus1_client import Milvus1
from support.namespaces import Namespace
from support.release import Install, Release
from support.standin_node import StandinNode
from support.statuses import watched
from support.tenants import Tenant
from support.waiting import eventually


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


@pytest.fixture(autouse=True)
async def swept(api: AdminApi) -> None:
    """Takes away what earlier tests have left, which a test's operator would look after too."""
    for kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
        for manifest in (await api.list(kind)).items:
            await _take_away(api, kind, Key.of(manifest))


async def _take_away(api: AdminApi, kind: Kind, key: Key) -> None:
    with suppress(NotFound):
        await api.patch(kind, key, {"spec": {"deletionProtection": None}})
        await api.delete(kind, key)
        await api.patch(kind, key, {"metadata": {"finalizers": None}})


@pytest.fixture
async def operator_api(operator_kubeconfig: Path) -> AsyncIterator[AdminApi]:
    async with watched(operator_kubeconfig) as client:
        yield client
    assert client.problems == []


@pytest.fixture
def engine_process(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess(tmp_path / "engine") as engine:
        yield engine


@pytest.fixture
async def engines() -> AsyncIterator[Drivers]:
    engines = Drivers()
    yield engines
    await engines.close()


@pytest.fixture
async def world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Drivers,
    engine_process: EngineProcess,
) -> Namespace:
    """A namespace with a VectorEngine `engine` that points to a running engine process."""
    world = Namespace(namespace, api, operator_api, engines, engine_process.grpc_address)
    endpoints = {"endpoints": [engine_process.grpc_address]}
    await world.create(VECTOR_ENGINE, "engine", {"external": endpoints})
    return world


@pytest.fixture
def client(engine_process: EngineProcess) -> Iterator[Milvus1]:
    """Somebody who uses the world's engine without Quiver."""
    connected = Milvus1(engine_process.grpc_address)
    yield connected
    connected.close()


@pytest.fixture
def neighbours(world: Namespace, quiver_api: ControlPlane) -> Iterator[Iterator[Namespace]]:
    """Other namespaces, as many as are asked for, whose collections are on the world's engine."""
    with ExitStack() as made:

        def one_more() -> Namespace:
            name = f"test-{uuid.uuid4().hex[:8]}"
            quiver_api.create_namespace(name)
            made.callback(quiver_api.kubectl, "delete", "namespace", name, "--wait=false")
            return replace(world, namespace=name, engine_namespace=world.namespace)

        yield iter(one_more, None)


@pytest.fixture
def neighbour(neighbours: Iterator[Namespace]) -> Namespace:
    """One of the neighbours."""
    return next(neighbours)


@pytest.fixture
def fake_engines() -> FakeEngines:
    return FakeEngines()


@pytest.fixture
def fake_address(namespace: str) -> str:
    """An address of its own."""
    digits = [int(namespace[-8:][n : n + 2], 16) for n in (0, 2, 4)]
    return f"127.{32 + digits[0] % 32}.{digits[1]}.{digits[2]}:19530"


@pytest.fixture
def fake(fake_engines: FakeEngines, fake_address: str) -> FakeEngine:
    """The engine in memory that `fake_world` is about."""
    return fake_engines.start(fake_address)


@pytest.fixture
async def fake_world(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    fake_engines: FakeEngines,
    fake: FakeEngine,
    fake_address: str,
) -> Namespace:
    """A namespace with a VectorEngine `engine` that points to an engine in memory."""
    world = Namespace(namespace, api, operator_api, fake_engines, fake_address)
    await world.create(VECTOR_ENGINE, "engine", {"external": {"endpoints": [fake_address]}})
    return world


@pytest.fixture
def tenant_namespace(quiver_api: ControlPlane) -> Iterator[str]:
    """A namespace whose service account `tenant` may do there what the cluster role `edit` says."""
    name = f"tenant-{uuid.uuid4().hex[:8]}"
    quiver_api.create_namespace(name)
    account = f"--serviceaccount={name}:tenant"
    inside = f"--namespace={name}"
    quiver_api.kubectl("create", "serviceaccount", "tenant", inside)
    quiver_api.kubectl("create", "rolebinding", "tenant", "--clusterrole=edit", account, inside)
    yield name
    quiver_api.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def tenant(quiver_api: ControlPlane, tenant_namespace: str) -> AsyncIterator[Tenant]:
    """Somebody who wishes all others ill."""
    kubeconfig = quiver_api.service_account_kubeconfig(tenant_namespace, "tenant")
    async with connected(kubeconfig) as client:
        tenant = Tenant(tenant_namespace, client)
        await eventually(tenant.has_rights, "the tenant has its rights")
        yield tenant


@pytest.fixture
def releases(quiver_api: ControlPlane) -> Iterator[Install]:
    """Installs a release into a namespace of its own, with the given values."""
    installed: list[Release] = []

    def install_one(**values: Any) -> Release:
        namespace = f"release-{uuid.uuid4().hex[:8]}"
        quiver_api.create_namespace(namespace)
        release = Release(quiver_api, namespace, values)
        installed.append(release)
        release.install()
        return release

    yield install_one
    for release in installed:
        release.uninstall()
        quiver_api.kubectl("delete", "namespace", release.namespace, "--wait=false")


CLAIM_POLICY = "quiver-system.quiver-claims-are-the-operators"


@pytest.fixture(scope="module")
def unguarded(quiver_api: ControlPlane) -> Iterator[None]:
    """Without the admission policy that keeps claims from tenants: the operator is safe alone."""
    binding = f"validatingadmissionpolicybinding/{CLAIM_POLICY}"
    kept = quiver_api.kubectl("get", binding, "--output=json")
    quiver_api.kubectl("delete", binding)
    yield
    manifest = json.loads(kept)
    manifest["metadata"] = {key: manifest["metadata"][key] for key in ("name", "labels")}
    quiver_api.kubectl("apply", "--filename=-", input=json.dumps(manifest))


@pytest.fixture
def node(namespace: str, quiver_api: ControlPlane, tmp_path: Path) -> Iterator[StandinNode]:
    """A node that runs engines of the default image."""
    images, name = {Settings().engine_image}, f"node-{namespace}"
    with StandinNode(quiver_api.kubeconfig, tmp_path, name, images=images) as node:
        yield node


@pytest.fixture
def managed(
    namespace: str,
    api: AdminApi,
    operator_api: AdminApi,
    engines: Drivers,
    node: StandinNode,
) -> Namespace:
    """A namespace without an engine, beside a node that could run its pods."""
    return Namespace(namespace, api, operator_api, engines, address="")


@pytest.fixture
def limited_operator(operator_kubeconfig: Path, tmp_path: Path) -> Iterator[LimitedOperator]:
    """An operator that is not started yet. At the end it has run, and runs still."""
    with memory_cgroup(chart_limit()) as group:
        operator = LimitedOperator(
            group, operator_kubeconfig, tmp_path / "log", "--resync-period=2"
        )
        try:
            yield operator
            operator.check_alive()
            assert "this is a bug" not in operator.output
        finally:
            if operator.is_running:
                operator.kill()
