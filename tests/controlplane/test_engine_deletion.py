"""What becomes of an engine's pods when its object goes: real scheduler, real garbage collector."""

import asyncio

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import (
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Manifest,
)
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.standin_node import StandinNode
from support.waiting import eventually

PARTS = (STATEFUL_SET, SERVICE, POD_DISRUPTION_BUDGET)
BOTH = (("docs", VECTOR_COLLECTION), ("engine", VECTOR_ENGINE))


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


async def test_an_external_engine_waits_too(world: Namespace) -> None:
    """The collection is dropped from its server, which is out of reach without the engine. One
    event tells that the engine waits.
    """
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.delete("engine", VECTOR_ENGINE)
        engine = await world.settled("engine", "DeletionBlocked", VECTOR_ENGINE)
        told = await world.told("engine", "DeletionBlocked")
        assert told["note"] == ready_condition(engine)["message"]
        assert told.get("series") is None
        await world.delete("docs")
        await world.gone("engine", VECTOR_ENGINE)
        assert await world.find("docs") is None
        assert await world.engine.list_collections() == frozenset()


async def test_a_namespace_goes_with_an_engine_that_is_protected(
    managed: Namespace, node: StandinNode
) -> None:
    """Kubernetes deletes the pods at once: nothing waits for what they can do no more, and no
    protection has the namespace hang.
    """
    async with running(managed.operator_api, managed.engines):
        await with_a_collection(managed, node)
        for name, kind in BOTH:
            await managed.patch(name, {"spec": {"deletionProtection": True}}, kind)
        await managed.api.delete_namespace(managed.namespace)

        async def is_gone() -> bool:
            return not await managed.api.has_namespace(managed.namespace)

        await eventually(is_gone, "the namespace is gone")


async def test_what_is_protected_waits_where_no_policy_refuses_its_deletion(
    world: Namespace,
) -> None:
    """The operator holds it, changes nothing, and says how it may go. The policies are installed
    here: so the protection comes after the deletion, while no operator works.
    """
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
    for name, kind in BOTH:
        await world.delete(name, kind)
        await world.patch(name, {"spec": {"deletionProtection": True}}, kind)
    async with running(world.operator_api, world.engines):
        for name, kind in BOTH:
            held = await world.settled(name, "DeletionProtected", kind)
            assert "Set it to false to let the object go." in ready_condition(held)["message"]
        assert await world.engine.list_collections() == {"docs"}
        for name, kind in BOTH:
            await world.patch(name, {"spec": {"deletionProtection": False}}, kind)
        for name, kind in BOTH:
            await world.gone(name, kind)
    assert await world.engine.list_collections() == frozenset()


async def test_what_an_engine_leaves_that_was_let_go_by_hand_is_deleted(
    managed: Namespace, node: StandinNode
) -> None:
    """Whoever takes the finalizer off gives the vectors up: also while no operator works."""
    async with running(managed.operator_api, managed.engines):
        await with_a_collection(managed, node)
    await managed.give_up_engine()
    async with running(managed.operator_api, managed.engines):
        for kind in PARTS:
            await managed.gone("engine", kind)
        await managed.gone("engine-0", POD)
    assert await managed.find("docs", VECTOR_COLLECTION) is not None
