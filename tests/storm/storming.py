"""One storm from beginning to end."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from machine.engine_process import LISTENING
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from storm import calm
from storm.manifests import is_ready
from storm.network import Network
from storm.timeline import Timeline
from storm.users import User
from storm.weather import Weather
from storm.world import (
    OPERATOR_USER,
    Options,
    World,
    describe_engine,
    foreign_names,
    move_others_in,
    raised,
)
from support.waiting import eventually

USERS = 8
START_S = 120.0
CALM_S = 300.0
MEMORY_FACTOR, MEMORY_MIB = 1.3, 40.0
"""What a process may have more than before, of both together."""


@dataclass
class Result:
    """`wrong` is empty after a storm that did no harm. Memory is in MiB."""

    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    lost_leases: int = 0
    calm_s: float = 0.0
    writes: int = 0


async def storm(options: Options, timeline: Timeline, network: Network) -> Result:
    """Raises LocalClusterError where it cannot begin."""
    result = Result(faults=timeline.faults)
    async with raised(options, timeline, network) as world:
        users = _users(world, result)
        tending = asyncio.create_task(_tend(world))
        try:
            await _begin(world, users)
            before = _memory(world)
            tending.cancel()
            await _edit_through(world, users)
            await _calm(world, users, result)
        finally:
            tending.cancel()
        result.memory = {name: (before[name], now) for name, now in _memory(world).items()}
        result.wrong += _memory_complaints(result)
        ends = [end for process in world.operators.values() for end in process.exits]
        result.lost_leases = sum("the lease is lost" in end.last_line for end in ends)
    return result


def _users(world: World, result: Result) -> list[User]:
    names = [f"vectors-{number}" for number in range(world.options.collections)]
    names += [name.replace("_", "-") for name in foreign_names() if name.startswith("taken")]
    return [
        User(
            names[number::USERS],
            Random(f"{world.options.seed}-{number}"),  # noqa: S311 - a seed makes it repeatable
            world.api,
            world.vectors,
            world.ledger,
            result.edits,
        )
        for number in range(USERS)
    ]


async def _tend(world: World) -> None:
    while True:
        world.tend()
        await asyncio.sleep(1)


async def _begin(world: World, users: Sequence[User]) -> None:
    """Start everything, create every collection, and wait until all are Ready."""
    for engine in world.engines.values():
        engine.start()
    for engine in world.engines.values():
        await asyncio.to_thread(engine.wait_for, LISTENING, START_S)
    await move_others_in(world)
    await describe_engine(world)
    for operator in world.operators.values():
        operator.start()
    await _until_engine_ready(world)
    await asyncio.gather(*(user.create_all() for user in users))
    world.timeline.add(f"{len(world.ledger.wishes)} collections are created")
    unsettled = await calm.settled(world, START_S + world.options.collections / 5)
    if unsettled:
        raise TimeoutError(f"before the storm: {len(unsettled)} not settled: {unsettled[:3]}")
    world.timeline.add("all are Ready; the storm begins")


async def _until_engine_ready(world: World) -> None:
    async def is_engine_ready() -> bool:
        engines = (await world.api.list(VECTOR_ENGINE)).items
        return bool(engines) and all(map(is_ready, engines))

    await eventually(is_engine_ready, "the engine is Ready", START_S)


async def _edit_through(world: World, users: Sequence[User]) -> None:
    """Have users edit while faults happen; return when both have come to an end."""
    at_work = [asyncio.create_task(user.run()) for user in users]
    await Weather(world).blow(world.options.seconds)
    world.timeline.add("the storm is over")
    for user in users:
        user.done.set()
    tending = asyncio.create_task(_tend(world))
    try:
        await asyncio.gather(*at_work)
    finally:
        tending.cancel()


async def _calm(world: World, users: Sequence[User], result: Result) -> None:
    begun = time.monotonic()
    tending = asyncio.create_task(_tend(world))
    try:
        for user in users:
            await _release_what_waits(user)
    finally:
        tending.cancel()
    unsettled = await calm.settled(world, CALM_S)
    while not unsettled and time.monotonic() - begun < CALM_S:
        result.calm_s = time.monotonic() - begun
        # What was dropped behind the operators shows at their next resync; others then have room
        # on another engine. After that there is nothing to write any more.
        result.writes = await _writes_in_calm(world)
        if not result.writes:
            break
        unsettled = await calm.settled(world, CALM_S)
    world.timeline.add(f"calm after {result.calm_s:.0f} s; looking at everything")
    if result.writes:
        unsettled.append(f"the operators wrote {result.writes} times though nothing happened")
    result.wrong += [*unsettled, *world.ledger.wrong, *await calm.compare(world)]
    result.wrong += calm.log_complaints(world)


async def _release_what_waits(user: User) -> None:
    """Objects that were deleted but wait to be empty get another policy, as a person would do."""
    for wish in list(user.ledger.wishes.values()):
        if wish.name in user.names and wish.deleting and wish.policy == "DeleteIfEmpty":
            await user.release(wish)


async def _writes_in_calm(world: World) -> int:
    """Count writes of the operators over two resync periods, their lease's and events left out."""
    log = world.plane.audit_log
    assert log is not None
    beginning = log.stat().st_size
    await asyncio.sleep(2.4 * world.options.resync)
    with log.open() as lines:
        lines.seek(beginning)
        return sum(map(_is_write, lines))


def _is_write(line: str) -> bool:
    entry = json.loads(line)
    resource = entry.get("objectRef", {}).get("resource")
    return (
        entry["user"]["username"] == OPERATOR_USER
        and entry["verb"] in {"create", "patch", "update", "delete"}
        and resource != "leases"
    )


def _memory(world: World) -> dict[str, float]:
    return {name: process.rss_mib for name, process in world.processes.items()}


def _memory_complaints(result: Result) -> list[str]:
    """Operators change roles, so the larger of the two is compared with the larger before."""
    operators = [pair for name, pair in result.memory.items() if name.startswith("operator")]
    before, after = max(old for old, _ in operators), max(new for _, new in operators)
    if after <= before * MEMORY_FACTOR + MEMORY_MIB:
        return []
    return [f"an operator has {after:.0f} MiB, before the storm it was {before:.0f}"]
