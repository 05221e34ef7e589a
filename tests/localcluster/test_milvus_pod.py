"""A Milvus in a pod of Quiver, on a node, by the operator with the rights of `install.yaml`."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from localcluster import Cluster
from quiver.adapters.drivers import Drivers
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Manifest
from quiver.ports.engines import Loads
from support.admin_api import connected
from support.installation import INSTALL, install
from support.milvus_image import IMAGE, milvus_archive
from support.milvus_rest import MilvusRest
from support.namespaces import Namespace
from support.operators import running
from support.waiting import DEADLINE_S, eventually

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node")]

ROWS, DIMENSION, MIDDLE = list(range(64)), 8, 32
NAME = "docs"
SPEC: Manifest = {"type": "Milvus", "image": IMAGE, "storage": {"size": "1Gi"}, "networkPolicy": {}}


@pytest.fixture(scope="module")
def kubeconfig(cluster: Cluster) -> Iterator[Path]:
    """The operator's, on a cluster with the image; what is installed goes when the tests end."""
    cluster.import_image(milvus_archive(), ["cpu-node"])
    yield install(cluster)
    installed = [m for m in yaml.safe_load_all(INSTALL.read_text()) if m["kind"] != "Deployment"]
    how = ("--ignore-not-found", f"--timeout={DEADLINE_S:g}s", "--filename=-")
    cluster.kubectl("delete", *how, input=yaml.safe_dump_all(installed))


@pytest.fixture
async def engines() -> AsyncIterator[Drivers]:
    engines = Drivers()
    yield engines
    await engines.close()


@pytest.fixture
async def world(
    cluster: Cluster, kubeconfig: Path, namespace: str, engines: Drivers
) -> AsyncIterator[Namespace]:
    """A namespace under an operator, with the VectorEngine `engine`: a Milvus that is ready."""
    async with connected(cluster.kubeconfig) as api, connected(kubeconfig) as operator_api:
        world = Namespace(namespace, api, operator_api, engines, address="")
        async with running(operator_api, engines, resync_period=5):
            await world.create(VECTOR_ENGINE, "engine", SPEC)
            await world.settled_engine()
            yield world
            await world.delete(NAME)
            await world.gone(NAME)
            await world.delete("engine", VECTOR_ENGINE)
            await world.gone("engine", VECTOR_ENGINE)


@dataclass(frozen=True)
class MilvusPod:
    """The engine's pod, as it is now."""

    uid: str
    address: str
    restarts: int

    @classmethod
    async def of(cls, world: Namespace) -> MilvusPod | None:
        """Return it once it is ready."""
        found = await world.find("engine-0", POD)
        status = found["status"] if found is not None else {}
        (container,) = status.get("containerStatuses") or [{}]
        if found is None or not container.get("ready") or "deletionTimestamp" in found["metadata"]:
            return None
        address = f"{status['podIP']}:19530"
        return cls(found["metadata"]["uid"], address, container["restartCount"])

    @property
    def client(self) -> MilvusRest:
        return MilvusRest(self.address)

    def kill(self) -> None:
        """Kill its server as the kernel does, which no handler of it sees."""
        marks = (self.uid, self.uid.replace("-", "_"))
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                groups = (process / "cgroup").read_text()
                is_milvus = (process / "comm").read_text().strip() == "milvus"
                if is_milvus and any(mark in groups for mark in marks):
                    os.kill(int(process.name), signal.SIGKILL)


async def ready_pod(world: Namespace, after: MilvusPod | None = None) -> MilvusPod:
    async def holds() -> MilvusPod | None:
        pod = await MilvusPod.of(world)
        return pod if pod != after else None

    found: MilvusPod = await eventually(holds, "the pod of Milvus is ready")
    return found


async def filled(world: Namespace) -> MilvusPod:
    """Have a collection with rows that a search finds; return the pod that holds it."""
    await world.create_collection(NAME, dimension=DIMENSION, metricType="L2")
    await world.ready(NAME)
    pod = await ready_pod(world)
    pod.client.insert(NAME, ROWS, DIMENSION)
    await finds_all(pod)
    return pod


async def finds_all(pod: MilvusPod) -> None:
    def holds() -> bool:
        # Milvus refuses searches for some seconds after it has said that it is healthy.
        with suppress(OSError, RuntimeError):
            found = pod.client.nearest(NAME, MIDDLE, DIMENSION, len(ROWS))
            return found[:1] == [MIDDLE] and sorted(found) == ROWS
        return False

    await eventually(holds, "a search finds every row")


async def test_collections_outlive_the_pod_of_milvus(world: Namespace, cluster: Cluster) -> None:
    """With storage: another pod has every row that the one before it had, and takes new
    collections. Both run as a user who is not root on a root that is read-only.
    """
    before = await filled(world)
    await world.delete("engine-0", POD)
    after = await ready_pod(world, before)
    assert after.uid != before.uid
    await finds_all(after)
    await world.settled_engine()
    await world.ready(NAME)
    await world.create_collection("more", dimension=DIMENSION, metricType="L2")
    await world.ready("more")
    await world.delete("more")
    await world.gone("more")
    running_as = await world.get("engine-0", POD)
    assert running_as["spec"]["securityContext"]["runAsUser"] != 0
    (container,) = running_as["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


async def test_a_milvus_that_is_killed_while_it_loads_comes_back(
    world: Namespace, engines: Drivers
) -> None:
    """The kubelet starts the server again in its pod; the collection is loaded, with every row."""
    before = await filled(world)
    loads = engines.at(Target(before.address, "Milvus")).loads
    assert isinstance(loads, Loads)
    await loads.release(NAME)
    await loads.load(NAME, 1)
    before.kill()
    after = await ready_pod(world, before)
    assert (after.uid, after.restarts) == (before.uid, before.restarts + 1)
    await finds_all(after)
    await world.ready(NAME)
