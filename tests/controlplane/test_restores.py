"""etcd is restored from a copy: the operator follows the cluster back to what it was."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from quiver.adapters.drivers import Drivers
from quiver.app import Operator
from quiver.domain.data_loss import DATA_LOST
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key
from support.admin_api import connected
from support.installation import install
from support.namespaces import Namespace, types
from support.operators import all_reconciled, running
from support.waiting import eventually

NAMES = ("kept", "changed", "deleted")


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane that a test may break."""
    with ControlPlane(tmp_path / "control-plane") as plane:
        yield plane


def back_up(plane: ControlPlane, copy: Path) -> None:
    _exchange(plane, plane.layout.etcd, copy)


def restore(plane: ControlPlane, copy: Path) -> None:
    _exchange(plane, copy, plane.layout.etcd)


def _exchange(plane: ControlPlane, source: Path, target: Path) -> None:
    plane.stop_apiserver()
    plane.stop_etcd()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    plane.start_etcd()
    plane.start_apiserver()


def known(operator: Operator) -> dict[str, tuple[str, list[str]]]:
    """Return uid and partitions of each collection that the operator knows."""
    return {
        m["metadata"]["name"]: (m["metadata"]["uid"], m["spec"].get("partitions", []))
        for m in operator.cache.all(VECTOR_COLLECTION)
    }


async def stored(world: Namespace) -> dict[str, tuple[str, list[str]]]:
    found = (await world.api.list(VECTOR_COLLECTION)).items
    return {
        m["metadata"]["name"]: (m["metadata"]["uid"], m["spec"].get("partitions", []))
        for m in found
    }


async def test_the_operator_follows_etcd_back(
    plane: ControlPlane, engine_process: EngineProcess, engines: Drivers, tmp_path: Path
) -> None:
    """Objects made since are gone from its cache, those changed since are as they were, those
    deleted since are back; and it goes on to work.
    """
    operator_kubeconfig = await asyncio.to_thread(install, plane)
    async with (
        connected(plane.kubeconfig) as api,
        connected(operator_kubeconfig) as operator_api,
    ):
        world = Namespace("default", api, operator_api, engines, engine_process.grpc_address)
        spec = {"external": {"endpoints": [engine_process.grpc_address]}}
        await world.create(VECTOR_ENGINE, "engine", spec)
        async with running(operator_api, engines, resync_period=2) as operator:
            for name in NAMES:
                await world.create_collection(name)
            await world.ready(*NAMES)
            await asyncio.to_thread(back_up, plane, tmp_path / "copy")
            for number in range(20):
                await world.create_collection(f"ghost{number}")
            await world.patch("changed", {"spec": {"partitions": ["a"]}})
            await world.delete("deleted")
            await world.gone("deleted")
            await world.ready("changed", *(f"ghost{number}" for number in range(20)))
            await all_reconciled(operator, 24)
            await asyncio.to_thread(restore, plane, tmp_path / "copy")
            expected = await stored(world)
            assert expected.keys() == set(NAMES)
            await eventually(lambda: known(operator) == expected, "the cache is what etcd has", 30)
            await world.patch("changed", {"spec": {"partitions": ["b"]}})
            (changed,) = await world.ready("changed")
            assert changed["status"]["partitions"] == ["b"]
            kept, _, deleted = await world.ready(*NAMES)
            assert [DATA_LOST in types(m) for m in (kept, deleted)] == [False, True]
            await world.delete("kept")
            await world.gone("kept")
            assert operator.cache.get(VECTOR_COLLECTION, Key("default", "kept")) is None
