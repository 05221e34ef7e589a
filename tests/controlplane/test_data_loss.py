"""Vectors are lost on a real engine: the object keeps the trace until a tenant acknowledges it,
whatever becomes of the operator meanwhile.
"""

from typing import Any

from quiver.domain.data_loss import ACKNOWLEDGING, DATA_LOST
from quiver.domain.kubernetes_types import Manifest
from support.interruptions import Power, until_cut
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.tenants import Tenant
from support.waiting import eventually

STEPS = ["patch status", "create", "create_partition", "patch status"]


def loss_of(manifest: Manifest) -> Manifest:
    return next((c for c in manifest["status"]["conditions"] if c["type"] == DATA_LOST), {})


async def lost(world: Namespace, reason: str = "Recreated", after: str = "") -> dict[str, Any]:
    """Wait for a loss since `after`, and return its condition."""

    async def holds() -> Manifest | None:
        found = loss_of(await world.get("docs"))
        is_new = found.get("reason") == reason and found["lastTransitionTime"] > after
        return found if is_new else None

    found: Manifest = await eventually(holds, f"the object says {DATA_LOST}, {reason}")
    return found


async def acknowledge(world: Namespace, loss: Manifest) -> None:
    value = loss["lastTransitionTime"]
    await world.patch("docs", {"metadata": {"annotations": {ACKNOWLEDGING: value}}})

    async def holds() -> bool:
        return not loss_of(await world.get("docs"))

    await eventually(holds, "the loss is acknowledged")


async def test_a_tenant_acknowledges_a_loss_and_the_next_one_shows_anew(
    world: Namespace, tenant: Tenant
) -> None:
    """The object is Ready with DataLost beside it, across a restart of the operator."""
    own = await tenant.with_engine(world, world.address)
    async with running(own.operator_api, own.engines, resync_period=1):
        await own.create_collection("docs")
        await own.ready("docs")
        await own.engine.drop("docs")
        first = await lost(own)
        (docs,) = await own.ready("docs")
        assert [c["type"] for c in docs["status"]["conditions"]] == ["Ready", DATA_LOST]
        assert f"collection 'docs' was gone from {own.address}" in first["message"]
    async with running(own.operator_api, own.engines, resync_period=1):
        await own.patch("docs", {"spec": {"partitions": ["a"]}})
        (docs,) = await own.ready("docs")
        assert loss_of(docs) == first
        await acknowledge(own, first)
        await own.engine.drop_partition("docs", "a")
        await own.look_now("docs")
        second = await lost(own, after=first["lastTransitionTime"])
        assert "partition of collection 'docs' ('a') was gone" in second["message"]
        assert ready_condition(await own.get("docs"))["status"] == "True"


async def test_a_loss_survives_a_crash_at_each_step(world: Namespace) -> None:
    """Killed before or after it has created the collection anew, the operator has a successor that
    reports one loss, with the time at which it was found.
    """
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"])
        await world.ready("docs")
    before = ""
    for done in range(1, len(STEPS)):
        await world.engine.drop("docs")
        power = Power(after=done)
        await until_cut(world, power)
        assert power.steps == STEPS[:done]
        found = await lost(world, "Recreating", after=before)
        async with running(world.operator_api, world.engines):
            recreated = await lost(world)
            assert recreated == {**found, "reason": "Recreated"}
            await acknowledge(world, found)
        before = found["lastTransitionTime"]
