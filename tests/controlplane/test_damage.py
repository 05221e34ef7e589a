"""Damaged segments of a running engine show on its VectorEngine."""

import asyncio
from typing import Any

from machine.engine_process import EngineProcess
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.damaging import flip_bit
from support.milvus1_client import Milvus1
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import eventually

ROWS = 5000


def damage_of(manifest: Manifest) -> dict[str, Any]:
    conditions = manifest.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "DataDamaged"), {})


async def damaged(world: Namespace, *, is_damaged: bool) -> Manifest:
    async def holds() -> Manifest | None:
        manifest = await world.get("engine", VECTOR_ENGINE)
        return manifest if bool(damage_of(manifest)) == is_damaged else None

    found: Manifest = await eventually(holds, f"the engine says {is_damaged=}")
    return found


async def test_damaged_segments_show_on_the_vector_engine(
    world: Namespace, engine_process: EngineProcess, client: Milvus1
) -> None:
    """With member, collection and number, beside Ready; they go with what they belong to."""
    async with running(world.operator_api, world.engines, resync_period=1):
        await world.create_collection("docs")
        await world.ready("docs")
        client.insert("docs", [[float(n)] * 8 for n in range(ROWS)], range(ROWS))
        client.flush("docs")
        await asyncio.to_thread(engine_process.stop)
        await asyncio.to_thread(engine_process.start, "--scrub-rate", "8Gi")
        (segment,) = (engine_process.data_dir / "segments").glob("*.seg")
        flip_bit(segment, -1)
        engine = await damaged(world, is_damaged=True)
        ready = ready_condition(engine)
        assert (ready["status"], ready["reason"]) == ("True", "SegmentsDamaged")
        told = f"Damaged segments: 1. {world.address} has 1 ('docs' 1). "
        assert damage_of(engine)["message"].startswith(told)
        await world.delete("docs")
        await world.gone("docs")
        await damaged(world, is_damaged=False)
