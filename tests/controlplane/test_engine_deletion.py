"""What becomes of an engine's pods when its object goes: real scheduler, real garbage collector."""

import asyncio

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import (
    NAMESPACE,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

PARTS = (STATEFUL_SET, SERVICE, POD_DISRUPTION_BUDGET)


async def kubectl(world: Namespace, plane: ControlPlane, *arguments: str) -> None:
    await asyncio.to_thread(plane.kubectl, *arguments, "--namespace", world.namespace)


async def with_a_collection(world: Namespace, node: StandinNode) -> Manifest:
    """Make an engine with a collection, and return its pod."""
    await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
    await world.create_collection("docs")
    await world.ready("docs")
    return await world.get("engine-0", POD)


@pytest.mark.parametrize("cascade", ["foreground", "background"])
async def test_an_engine_waits_for_its_collections(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane, cascade: str
) -> None:
    """It names them, and its pod, Service and budget stay, whoever deletes it. Once they are
    deleted, all of it goes.
    """
    async with running(managed.operator_api, managed.engines):
        pod = await with_a_collection(managed, node)
        delete = ("delete", "veng/engine", f"--cascade={cascade}", "--wait=false")
        await kubectl(managed, quiver_api, *delete)
        engine = await managed.settled("engine", "DeletionBlocked", VECTOR_ENGINE)
        assert f"{managed.namespace}/docs" in ready_condition(engine)["message"]
        for kind in PARTS:
            metadata = (await managed.get("engine", kind))["metadata"]
            assert "ownerReferences" not in metadata
            assert "deletionTimestamp" not in metadata
        now = await managed.get("engine-0", POD)
        assert now["metadata"]["uid"] == pod["metadata"]["uid"]
        await managed.ready("docs")
        await managed.create_collection("late")
        await managed.settled("late", "EngineNotFound")
        await managed.delete("docs")
        await managed.gone("docs")
        await managed.gone("engine", VECTOR_ENGINE)
        for kind in PARTS:
            assert await managed.find("engine", kind) is None
        await managed.gone("engine-0", POD)


@pytest.mark.parametrize("protected", [False, True], ids=["plain", "protected"])
async def test_a_namespace_goes_with_its_engine_and_its_collections(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane, *, protected: bool
) -> None:
    """`kubectl delete ns` deletes the pods at once: nothing waits for what they can do no more, and
    no protection has it hang.
    """
    async with running(managed.operator_api, managed.engines):
        await with_a_collection(managed, node)
        for name, kind in (("engine", VECTOR_ENGINE), ("docs", VECTOR_COLLECTION)):
            await managed.patch(name, {"spec": {"deletionProtection": protected}}, kind)
        await asyncio.to_thread(
            quiver_api.kubectl, "delete", "ns", managed.namespace, "--wait=false"
        )

        async def is_gone() -> bool:
            try:
                await managed.api.get(NAMESPACE, Key("", managed.namespace))
            except Exception:  # noqa: BLE001
                return True
            return False

        await eventually(is_gone, "the namespace is gone")


async def test_what_an_engine_leaves_that_was_let_go_by_hand_is_deleted(
    managed: Namespace, node: StandinNode
) -> None:
    """Whoever takes the finalizer off gives the vectors up: also while no operator works."""
    async with running(managed.operator_api, managed.engines):
        await with_a_collection(managed, node)
    await managed.delete("engine", VECTOR_ENGINE)
    await managed.patch("engine", {"metadata": {"finalizers": None}}, VECTOR_ENGINE)
    await managed.gone("engine", VECTOR_ENGINE)
    async with running(managed.operator_api, managed.engines):
        for kind in PARTS:
            await managed.gone("engine", kind)
        await managed.gone("engine-0", POD)
    assert await managed.find("docs", VECTOR_COLLECTION) is not None
