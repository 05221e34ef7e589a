"""One run: first the bare loop, then the operator, each on a server of its own: what is dropped
keeps Milvus busy for a while.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from bench.cluster import each
from bench.milvus.collections import collection, engine
from bench.milvus.figures import Figures
from bench.milvus.floor import floor
from bench.processes import Operator
from bench.scale import counters
from bench.scale.bench import WAIT_S, Bench, Say, without_engines
from bench.scale.phases import names, tell_progress
from machine.milvus_servers import MilvusServer
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE

SETTLE_S = 2.0
"""Events are published after the work."""


async def measure(directory: Path, run: Figures, say: Say) -> None:
    """Fill in the figures of the run."""
    async with without_engines(directory, say) as bench:
        say("the floor: the same calls by a bare loop")
        wanted = names("floor", run.collections)
        with MilvusServer(directory / "floor") as server:
            run.floor_s = await floor(bench.api, server.address, wanted, loaded=run.loaded)
        await bench.delete(wanted)
        with MilvusServer(directory / "quiver") as server:
            await bench.api.create(VECTOR_ENGINE, engine(server.address))
            await _with_operator(bench, run)


async def _with_operator(bench: Bench, run: Figures) -> None:
    operator = bench.quiver("quiver")
    try:
        await bench.engine_is_ready()
        bench.say("Quiver: all collections applied at once")
        await _storm(bench, operator, run)
    finally:
        operator.stop()


async def _storm(bench: Bench, operator: Operator, run: Figures) -> None:
    wanted = names("quiver", run.collections)
    before = await counters.read(bench.plane, operator)
    telling = asyncio.create_task(tell_progress(bench, wanted))
    begun = time.monotonic()
    await each(wanted, lambda name: _apply(bench, name, run))
    await _until_all_ready(bench, wanted)
    run.ready_s = max(bench.watcher.ready[name] for name in wanted) - begun
    telling.cancel()
    await asyncio.sleep(SETTLE_S)
    after = await counters.read(bench.plane, operator)
    calls = {k: v - before.engine_calls.get(k, 0) for k, v in after.engine_calls.items()}
    run.calls = {k: round(v / len(wanted), 2) for k, v in calls.items() if v}
    run.api_writes = (after.object_writes - before.object_writes) / len(wanted)


async def _apply(bench: Bench, name: str, run: Figures) -> None:
    await bench.api.create(VECTOR_COLLECTION, collection(name, loaded=run.loaded))


async def _until_all_ready(bench: Bench, wanted: Sequence[str]) -> None:
    async with asyncio.timeout(WAIT_S):
        for name in wanted:
            await bench.watcher.until_one_is_ready(name, WAIT_S)
