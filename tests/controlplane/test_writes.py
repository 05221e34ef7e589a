"""How often the operator writes, counted by the API server's own audit log."""

from localcluster import ControlPlane
from support.audit import wait_for_marker, writes
from support.namespaces import Namespace
from support.operators import all_reconciled, running


async def test_a_collection_costs_two_writes_to_make_and_one_to_delete(
    world: Namespace, quiver_api: ControlPlane
) -> None:
    """Claim and finalizer are one PATCH, the status is the other; taking the finalizer is one. The
    engine beside it costs its finalizer and its status.
    """
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        await world.create_collection("docs", partitions=["a", "b"])
        await world.ready("docs")
        await wait_for_marker(world, quiver_api, "marker-one")
        made = writes(quiver_api, world.namespace)
        await world.delete("docs")
        await world.gone("docs")
        await wait_for_marker(world, quiver_api, "marker-two")
    deleted = writes(quiver_api, world.namespace) - made
    kinds = ("vectorcollections", "vectorengines")
    assert made == {("patch", what): 1 for kind in kinds for what in (kind, f"{kind}/status")}
    assert deleted == {("patch", "vectorcollections"): 1}


async def test_a_restart_writes_nothing(world: Namespace, quiver_api: ControlPlane) -> None:
    """A second operator finds all as it should be, goes through all of it, and writes nothing."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"])
        await world.create_collection("more")
        await world.ready("docs", "more")
        await world.settled_engine()
    await wait_for_marker(world, quiver_api, "marker-one")
    before = writes(quiver_api, world.namespace)
    async with running(world.operator_api, world.engines) as restarted:
        await all_reconciled(restarted, 3)
    await wait_for_marker(world, quiver_api, "marker-two")
    assert writes(quiver_api, world.namespace) == before
