"""Pods of Milvus on a node, made by the operator with the rights of `install.yaml`."""

from __future__ import annotations

import asyncio
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
from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Manifest
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
SPEC: Manifest = {"type": "Milvus", "image": IMAGE, "storage": {"size": "1Gi"}, "networkPolicy": {}}
CONFINED: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


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
    """A namespace under an operator; what is left in it is dropped in the end."""
    async with connected(cluster.kubeconfig) as api, connected(kubeconfig) as operator_api:
        world = Namespace(namespace, api, operator_api, engines, address="")
        async with running(operator_api, engines, resync_period=5):
            yield world
            for kind in (VECTOR_COLLECTION, VECTOR_ENGINE):
                found = [m["metadata"] for m in (await api.list(kind)).items]
                names = [m["name"] for m in found if m["namespace"] == namespace]
                for name in names:
                    await world.delete(name, kind)
                await asyncio.gather(*(world.gone(name, kind) for name in names))


@dataclass(frozen=True)
class MilvusPod:
    """The pod of a VectorEngine, as it was when it was looked at."""

    uid: str
    address: str
    restarts: int

    @classmethod
    async def of(cls, world: Namespace, engine: str) -> MilvusPod | None:
        """Return it if it is ready."""
        found = await world.find(f"{engine}-0", POD)
        status = found["status"] if found is not None else {}
        (container,) = status.get("containerStatuses") or [{}]
        if found is None or not container.get("ready") or "deletionTimestamp" in found["metadata"]:
            return None
        address = f"{status['podIP']}:19530"
        return cls(found["metadata"]["uid"], address, container["restartCount"])

    async def insert(self, collection: str) -> None:
        client = MilvusRest(self.address)
        await asyncio.to_thread(client.insert, collection, ROWS, DIMENSION)

    async def finds_all(self, collection: str) -> bool:
        """Tell whether a search finds every row. Milvus refuses searches for some seconds after it
        has said that it is healthy.
        """
        with suppress(OSError, RuntimeError):
            search = MilvusRest(self.address).nearest
            found = await asyncio.to_thread(search, collection, MIDDLE, DIMENSION, len(ROWS))
            return found[:1] == [MIDDLE] and sorted(found) == ROWS
        return False

    def kill(self) -> None:
        """Kill its server as the kernel does, which no handler of it sees."""
        marks = (self.uid, self.uid.replace("-", "_"))
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                groups = (process / "cgroup").read_text()
                is_milvus = (process / "comm").read_text().strip() == "milvus"
                if is_milvus and any(mark in groups for mark in marks):
                    os.kill(int(process.name), signal.SIGKILL)


async def ready_pod(world: Namespace, engine: str, after: MilvusPod | None = None) -> MilvusPod:
    async def holds() -> MilvusPod | None:
        pod = await MilvusPod.of(world, engine)
        return pod if pod != after else None

    found: MilvusPod = await eventually(holds, f"the pod of {engine} is ready")
    return found


async def searched(world: Namespace, pod: MilvusPod, name: str) -> None:
    await eventually(lambda: pod.finds_all(name), f"a search of {name} finds every row")
    await world.ready(name)


async def filled(world: Namespace, name: str) -> MilvusPod:
    """Make a Milvus and a collection on it, both of that name, with rows that a search finds."""
    await world.create(VECTOR_ENGINE, name, SPEC)
    await world.settled_engine(name)
    await world.create_collection(name, engineRef={"name": name}, dimension=DIMENSION)
    await world.ready(name)
    pod = await ready_pod(world, name)
    await pod.insert(name)
    await searched(world, pod, name)
    return pod


def loads_of(world: Namespace, pod: MilvusPod) -> Loads:
    loads = world.engines.at(Target(pod.address, "Milvus")).loads
    assert loads is not None
    return loads


async def outlives_its_pod(world: Namespace, name: str) -> None:
    before = await filled(world, name)
    await world.delete(f"{name}-0", POD)
    after = await ready_pod(world, name, before)
    assert after.uid != before.uid
    await searched(world, after, name)


async def outlives_a_kill(world: Namespace, name: str) -> None:
    before = await filled(world, name)
    loads = loads_of(world, before)
    await loads.release(name)
    await loads.load(name, 1)
    before.kill()
    after = await ready_pod(world, name, before)
    assert (after.uid, after.restarts) == (before.uid, before.restarts + 1)
    await searched(world, after, name)


async def test_collections_outlive_the_ends_of_a_milvus(world: Namespace) -> None:
    """Whether its pod is deleted, or its server killed while it loads: the next server has every
    row, the collection is loaded, and objects say that they are ready. Milvus waits for most of
    that time until the sessions of the server before run out.
    """
    await asyncio.gather(outlives_its_pod(world, "deleted"), outlives_a_kill(world, "killed"))


async def test_a_pod_of_milvus_is_confined(world: Namespace) -> None:
    """It gets ready without root's rights, on a read-only root. When engine and collection go, the
    pod goes.
    """
    await world.create(VECTOR_ENGINE, "engine", SPEC)
    await world.settled_engine()
    spec = (await world.get("engine-0", POD))["spec"]
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["containers"][0]["securityContext"] == CONFINED
    await world.delete("engine", VECTOR_ENGINE)
    await world.gone("engine-0", POD)
