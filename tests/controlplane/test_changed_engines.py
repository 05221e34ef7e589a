"""A VectorEngine is deleted and created anew as another kind: the collections of the one before are
let go.
"""

from machine.engine_process import EngineProcess
from quiver.domain.kubernetes_types import STATEFUL_SET, VECTOR_ENGINE, Manifest
from support.namespaces import Namespace
from support.operators import running
from support.standin_node import StandinNode

ANOTHER = "is of another kind now"


async def create_anew(world: Namespace, spec: Manifest) -> None:
    await world.give_up_engine()
    await world.create(VECTOR_ENGINE, "engine", spec)


async def test_collections_of_an_external_engine_go_when_it_has_pods(
    managed: Namespace, node: StandinNode, engine_process: EngineProcess
) -> None:
    """One that waits for its dead endpoint goes at once; one that lives says what has become of its
    engine, and goes when it is deleted.
    """
    world, external = managed, {"external": {"endpoints": [engine_process.grpc_address]}}
    await world.create(VECTOR_ENGINE, "engine", external)
    async with running(world.operator_api, world.engines):
        for name in ("waits", "lives"):
            await world.create_collection(name)
        await world.ready("waits", "lives")
        engine_process.kill()
        await world.delete("waits")
        await world.settled("waits", "EngineUnreachable")
    await create_anew(world, {"nodeSelector": node.selector})
    async with running(world.operator_api, world.engines):
        await world.gone("waits")
        event = await world.told("waits", "Left")
        assert f"VectorEngine 'engine' {ANOTHER}" in event["note"]
        await world.says("lives", "MemberGone", ANOTHER, "Delete this object")
        await world.delete("lives")
        await world.gone("lives")


async def test_collections_of_an_engine_with_pods_go_when_it_is_external(
    managed: Namespace, node: StandinNode, engine_process: EngineProcess
) -> None:
    """One that waits for its pod goes at once."""
    world, external = managed, {"external": {"endpoints": [engine_process.grpc_address]}}
    await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        nowhere = {"spec": {"nodeSelector": {"no": "node"}}}
        await world.patch("engine", nowhere, VECTOR_ENGINE)
        await world.settled("engine", "Unschedulable", VECTOR_ENGINE)
        await world.delete("docs")
        await world.settled("docs", "EngineNotReady")
    await create_anew(world, external)
    async with running(world.operator_api, world.engines):
        await world.gone("docs")
        event = await world.told("docs", "Left")
        assert f"it is on engine-0, and VectorEngine 'engine' {ANOTHER}" in event["note"]
        await world.gone("engine", STATEFUL_SET)
