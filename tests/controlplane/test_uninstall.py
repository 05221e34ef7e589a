"""A release is uninstalled before its objects are deleted."""

import asyncio
from pathlib import Path

from click.testing import CliRunner

from localcluster import ControlPlane
from quiver.cli import main
from quiver.domain.claims import FINALIZER
from quiver.domain.kubernetes_types import SERVICE, STATEFUL_SET, VECTOR_ENGINE, Manifest
from support.fake_engine import FakeEngine
from support.installation import SYSTEM
from support.namespaces import Namespace
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

OTHERS = "example.org/keep"
COLLECTED_S = 75.0
"""The garbage collector looks for new kinds, and so for ours, every 30 s."""


async def uninstall(kubeconfig: Path, *arguments: str) -> str:
    """Run the command with the operator's rights, as the chart does."""
    environment = {"KUBECONFIG": str(kubeconfig)}
    command = ["uninstall", *arguments]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, env=environment)
    assert result.exit_code == 0, result.output
    return result.output


async def finalizers(world: Namespace, name: str) -> list[str]:
    found: list[str] = (await world.get(name))["metadata"].get("finalizers", [])
    return found


async def test_no_object_is_stuck_and_nothing_is_dropped(
    fake_world: Namespace, fake: FakeEngine, operator_kubeconfig: Path
) -> None:
    """Objects can be deleted without an operator, also one that waited for a drop. Others keep
    their claims: the next operator takes them up.
    """
    world = fake_world
    async with running(world.operator_api, world.engines):
        for name in ("kept", "deleted", "waits"):
            await world.create_collection(name)
            await world.settled(name, "Available")
    await world.delete("waits")
    keep: Manifest = {"metadata": {"finalizers": [OTHERS, FINALIZER]}}
    await world.patch("kept", keep)
    where = (f"--release={SYSTEM}", f"--namespace={world.namespace}")
    said = await uninstall(operator_kubeconfig, *where)
    assert f"VectorCollection {world.namespace}/kept is released; collection 'kept' stays" in said
    assert "3 VectorCollections and 1 VectorEngines are released. Nothing was dropped." in said
    assert await world.find("waits") is None
    await world.delete("deleted")
    assert await world.find("deleted") is None
    assert await finalizers(world, "kept") == [OTHERS]
    assert {*fake.collections} == {"kept", "deleted", "waits"}
    assert "0 VectorCollections" in await uninstall(operator_kubeconfig, *where)
    async with running(world.operator_api, world.engines):

        async def is_held() -> bool:
            return FINALIZER in await finalizers(world, "kept")

        await eventually(is_held, "the next operator holds the object")
        await world.settled("kept", "Available")
    await world.patch("kept", {"metadata": {"finalizers": None}})


async def test_what_another_release_manages_is_left_alone(
    fake_world: Namespace, quiver_api: ControlPlane
) -> None:
    """Its operator runs on."""
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.settled("engine", "Available", VECTOR_ENGINE)
        await fake_world.create_collection("docs")
        await fake_world.settled("docs", "Available")
        where = ("--release=another", f"--namespace={fake_world.namespace}")
        assert "0 VectorCollections" in await uninstall(quiver_api.kubeconfig, *where)
    assert FINALIZER in await finalizers(fake_world, "docs")


async def test_an_engine_goes_with_its_pods_once_quiver_is_uninstalled(
    managed: Namespace, node: StandinNode, operator_kubeconfig: Path
) -> None:
    """Kubernetes deletes what it became. A release that is installed again takes that back."""
    async with running(managed.operator_api, managed.engines):
        await managed.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
        await managed.settled_engine()
    where = (f"--release={SYSTEM}", f"--namespace={managed.namespace}")
    assert "0 VectorCollections and 1 VectorEngines" in await uninstall(operator_kubeconfig, *where)
    (owner,) = (await managed.get("engine", STATEFUL_SET))["metadata"]["ownerReferences"]
    assert owner["name"] == "engine"
    async with running(managed.operator_api, managed.engines):

        async def is_taken_back() -> bool:
            metadata = (await managed.get("engine", STATEFUL_SET))["metadata"]
            return "ownerReferences" not in metadata

        await eventually(is_taken_back, "the next operator takes the StatefulSet back")
    await uninstall(operator_kubeconfig, *where)
    await managed.delete("engine", VECTOR_ENGINE)
    for kind in (STATEFUL_SET, SERVICE):
        await managed.gone("engine", kind, COLLECTED_S)
