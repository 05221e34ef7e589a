"""The phases of one run, in their order."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cluster import NAMESPACE, collection, each, quiet, until
from bench.processes import Operator
from bench.scale import counters
from bench.scale.bench import OTHERS, WAIT_S, Bench, Say, prepared
from bench.scale.figures import Idle, Restart, Run, Storm, quantile
from bench.scale.floor import floor
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key

PROBES_WHEN_QUIET = 100
ROOM = 250
"""Enough for what is created one by one: its deletions take their time."""
NUDGE_DELAY_S = 2.0
POINTS = 100
PROGRESS_S = 10.0
POLL_S = 0.2
LOST_S = 90.0
"""Longer than a resync."""


@dataclass(frozen=True)
class Scope:
    """What of a run can be made shorter."""

    idle_s: float
    plain_kopf: bool


async def measure(directory: Path, run: Run, scope: Scope, say: Say) -> None:
    """Fill in the figures of the run."""
    run.cores = os.cpu_count() or 0
    async with prepared(directory, run.engines, say) as bench:
        await measure_floor(bench, run)
        if scope.plain_kopf:
            await measure_plain_kopf(bench, run)
        await measure_quiver(bench, run, scope.idle_s)


async def measure_floor(bench: Bench, run: Run) -> None:
    bench.say("the floor: the same calls by a bare loop")
    run.floor = await floor(bench.api, bench.addresses, names("floor", run.collections))
    await bench.delete(names("floor", run.collections))


async def measure_plain_kopf(bench: Bench, run: Run) -> None:
    bench.say("a plain kopf operator: all collections applied at once")
    operator = bench.plain_kopf()
    try:
        await one_by_one(bench, 1)
        wanted = names("kopf", run.collections)
        run.kopf = await storm(bench, operator, wanted)
        bench.say("a plain kopf operator: all deleted")
        await deletion(bench, operator, run.kopf, wanted)
    finally:
        operator.stop()
    await clear_engines(bench)


async def measure_quiver(bench: Bench, run: Run, idle_s: float) -> None:
    operator = bench.quiver("quiver")
    try:
        await bench.engine_is_ready()
        await one_by_one(bench, 1)
        bench.say("Quiver: all collections applied at once")
        before = await counters.read(bench.plane, operator)
        wanted = names("quiver", run.collections)
        async with probing(bench, OTHERS, run.one_in_storm_s, run.room):
            run.quiver = await storm(bench, operator, wanted)
        after = await counters.read(bench.plane, operator)
        made = run.collections + len(run.one_in_storm_s)
        grown = {k: v - before.engine_calls.get(k, 0) for k, v in after.engine_calls.items()}
        run.engine_calls = {k: round(v / made, 3) for k, v in grown.items() if v}
        run.quiver.api_writes = (after.object_writes - before.object_writes) / made
        bench.say("Quiver: one collection at a time")
        await bench.delete_others()
        if run.room < ROOM:
            await make_room(bench, wanted)
        run.one_when_quiet_s = await one_by_one(bench, PROBES_WHEN_QUIET)
        bench.say(f"Quiver: idle for {idle_s:g} s")
        run.idle = await idle(bench, operator, idle_s)
        run.quiver.rss_idle_mib = operator.rss_mib
    finally:
        operator.stop()
    await measure_restart(bench, run, wanted)


async def measure_restart(bench: Bench, run: Run, converged: list[str]) -> None:
    bench.say("Quiver: restart with all in place")
    operator = bench.quiver("quiver-again")
    try:
        run.restart = await restart(bench, operator, len(converged))
    finally:
        operator.stop()
    bench.say("Quiver: new collections while it looks at all after a start; all deleted")
    operator = bench.quiver("quiver-probed")
    try:
        run.one_in_restart_s = await one_by_one_in_restart(bench, operator, len(converged))
        await deletion(bench, operator, run.quiver, converged)
        run.quiver.rss_peak_mib = max(run.quiver.rss_peak_mib, operator.peak_rss_mib)
    finally:
        operator.stop()


async def storm(bench: Bench, operator: Operator, wanted: list[str]) -> Storm:
    """Apply all; wait until all are Ready."""
    figures, applied = Storm(), dict[str, float]()
    await asyncio.sleep(NUDGE_DELAY_S)
    figures.rss_start_mib = operator.rss_mib
    writes, cpu = await counters.read(bench.plane), operator.cpu_s

    async def apply(name: str) -> None:
        applied[name] = time.monotonic()
        await bench.api.create(VECTOR_COLLECTION, collection(name))

    telling = asyncio.create_task(tell_progress(bench, wanted))
    await each(wanted, apply)
    touched = await until_all_ready(bench, wanted)
    telling.cancel()
    figures.forgotten = len(touched)
    figures.cpu_ms = 1000 * (operator.cpu_s - cpu) / len(wanted)
    moments = [bench.watcher.ready[name] for name in wanted if name not in touched]
    begun = min(applied.values())
    figures.ready_s = max(moments) - begun
    latencies = [
        bench.watcher.ready[name] - applied[name] for name in wanted if name not in touched
    ]
    figures.latency_p50_s = quantile(latencies, 0.5)
    figures.latency_p99_s = quantile(latencies, 0.99)
    figures.latency_max_s = max(latencies)
    figures.curve = curve(moments, begun)
    await asyncio.sleep(NUDGE_DELAY_S)
    figures.rss_peak_mib, figures.rss_idle_mib = operator.peak_rss_mib, operator.rss_mib
    made = await counters.read(bench.plane)
    figures.api_writes = (made.object_writes - writes.object_writes) / len(wanted)
    figures.events = (made.events - writes.events) / len(wanted)
    return figures


async def until_all_ready(bench: Bench, wanted: list[str]) -> set[str]:
    """Return those that were Ready only after somebody had touched them."""
    missing, changed_at, touched = set(wanted), time.monotonic(), set[str]()
    while missing:
        before = len(missing)
        missing.difference_update(bench.watcher.ready)
        if len(missing) < before:
            changed_at = time.monotonic()
        elif time.monotonic() - changed_at > LOST_S:
            bench.say(f"  {len(missing)} have been forgotten: touching them")
            touched |= missing
            await each(sorted(missing), lambda name: touch(bench, name))
            changed_at = time.monotonic()
        await asyncio.sleep(POLL_S)
    return touched


async def touch(bench: Bench, name: str) -> None:
    patch = {"metadata": {"annotations": {"bench": str(time.monotonic())}}}
    await bench.api.patch(VECTOR_COLLECTION, Key(NAMESPACE, name), patch)


async def tell_progress(bench: Bench, wanted: list[str]) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        ready = sum(name in bench.watcher.ready for name in wanted)
        bench.say(f"  {ready} of {len(wanted)} are Ready")


def curve(moments: list[float], begun: float) -> list[tuple[float, int]]:
    ordered = sorted(moments)
    step = max(1, len(ordered) // POINTS)
    places = [*range(step - 1, len(ordered), step), len(ordered) - 1]
    return [(round(ordered[n] - begun, 3), n + 1) for n in dict.fromkeys(places)]


async def deletion(bench: Bench, operator: Operator, figures: Storm, wanted: list[str]) -> None:
    count = len(wanted)
    writes, cpu = await counters.read(bench.plane), operator.cpu_s
    figures.delete_s = await bench.delete(wanted)
    figures.delete_cpu_ms = 1000 * (operator.cpu_s - cpu) / count
    made = await counters.read(bench.plane)
    figures.delete_api_writes = (made.object_writes - writes.object_writes) / count


async def idle(bench: Bench, operator: Operator, seconds: float) -> Idle:
    async with asyncio.timeout(WAIT_S):
        await quiet(operator)  # Events are published after the work
    before, cpu = await counters.read(bench.plane, operator), operator.cpu_s
    await asyncio.sleep(seconds)
    used = operator.cpu_s - cpu
    after = await counters.read(bench.plane, operator)
    minutes = seconds / 60
    calls = {k: v - before.engine_calls.get(k, 0) for k, v in after.engine_calls.items()}
    lists = calls.pop(counters.LISTS, 0) + calls.pop("version", 0)
    return Idle(
        seconds=seconds,
        api_requests=(after.operator_requests - before.operator_requests) / minutes,
        engine_lists=lists / minutes,
        engine_verification=sum(calls.values()) / minutes,
        cpu_ms=1000 * used / minutes,
    )


async def restart(bench: Bench, operator: Operator, count: int) -> Restart:
    figures, writes = Restart(), await counters.read(bench.plane)
    listed: list[float] = []

    async def holds() -> bool:
        samples = await operator.samples()
        if counters.reconciles(samples) and not listed:
            listed.append(time.monotonic() - operator.started_at)
        return counters.reconciles(samples) >= count and counters.backlog(samples) == 0

    await until(holds, WAIT_S)
    figures.steady_s = time.monotonic() - operator.started_at
    figures.listed_s = listed[0]
    figures.cpu_ms = 1000 * operator.cpu_s / count
    await asyncio.sleep(NUDGE_DELAY_S)
    made = await counters.read(bench.plane)
    figures.api_writes = made.object_writes - writes.object_writes
    return figures


async def one_by_one_in_restart(bench: Bench, operator: Operator, count: int) -> list[float]:
    """Time new collections from the first reconcile after a start until the last."""

    async def has_begun() -> bool:
        return counters.reconciles(await operator.samples()) > 0

    await until(has_begun, WAIT_S)
    seconds: list[float] = []

    async def has_looked() -> bool:
        samples = await operator.samples()
        return counters.reconciles(samples) >= count

    async with probing(bench, NAMESPACE, seconds, ROOM):
        await until(has_looked, WAIT_S)
    return seconds


async def make_room(bench: Bench, converged: list[str]) -> None:
    """Delete the last of them: a full engine takes no more."""
    leaving = converged[-ROOM:]
    del converged[-ROOM:]
    await each(leaving, lambda name: delete_one(bench, NAMESPACE, name))
    await bench.watcher.until_gone(leaving, WAIT_S)


async def one_by_one(bench: Bench, count: int) -> list[float]:
    seconds: list[float] = []
    for _ in range(count):
        await delete_one(bench, OTHERS, await one(bench, OTHERS, seconds))
    return seconds


@asynccontextmanager
async def probing(
    bench: Bench, namespace: str, seconds: list[float], limit: int
) -> AsyncIterator[None]:
    """Time one new collection after another meanwhile, the last one to its end."""
    ended = False

    async def probe() -> None:
        while not ended and len(seconds) < limit:
            await one(bench, namespace, seconds)

    task = asyncio.create_task(probe())
    try:
        yield
    finally:
        ended = True
        await task


_numbers = iter(range(1_000_000))


async def one(bench: Bench, namespace: str, seconds: list[float]) -> str:
    """Time one new collection; return its name."""
    name = f"probe-{next(_numbers)}"
    begun = time.monotonic()
    await bench.api.create(VECTOR_COLLECTION, collection(name, namespace))
    seconds.append(await bench.watcher.until_one_is_ready(name, WAIT_S) - begun)
    return name


async def delete_one(bench: Bench, namespace: str, name: str) -> None:
    key = Key(namespace, name)
    found = await bench.api.get(VECTOR_COLLECTION, key)
    await bench.api.delete(VECTOR_COLLECTION, key, found["metadata"]["uid"])


async def clear_engines(bench: Bench) -> None:
    """Drop what a plain operator may have left."""
    engines = Milvus1Engines()
    for address in bench.addresses:
        client = engines.at(Target(address, "Quiver"))
        for name in await client.list_collections():
            await client.drop(name)
    await engines.close()


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]
