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
from storm.testbed import (
    OPERATOR_USER,
    Options,
    Testbed,
    describe_engine,
    foreign_names,
    move_others_in,
    raised,
)
from storm.timeline import Timeline
from storm.users import User
from storm.weather import Weather
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
    async with raised(options, timeline, network) as testbed:
        users = _users(testbed, result)
        tending = asyncio.create_task(_tend(testbed))
        try:
            await _begin(testbed, users)
            before = _memory(testbed)
            tending.cancel()
            await _edit_through(testbed, users)
            await _calm(testbed, users, result)
        finally:
            tending.cancel()
        result.memory = {name: (before[name], now) for name, now in _memory(testbed).items()}
        result.wrong += _memory_complaints(result)
        ends = [end for process in testbed.operators.values() for end in process.exits]
        result.lost_leases = sum("the lease is lost" in end.last_line for end in ends)
    return result


def _users(testbed: Testbed, result: Result) -> list[User]:
    names = [f"vectors-{number}" for number in range(testbed.options.collections)]
    names += [name.replace("_", "-") for name in foreign_names() if name.startswith("taken")]
    return [
        User(
            names[number::USERS],
            Random(f"{testbed.options.seed}-{number}"),  # noqa: S311 - a seed makes it repeatable
            testbed.api,
            testbed.vectors,
            testbed.ledger,
            result.edits,
        )
        for number in range(USERS)
    ]


async def _tend(testbed: Testbed) -> None:
    while True:
        testbed.tend()
        await asyncio.sleep(1)


async def _begin(testbed: Testbed, users: Sequence[User]) -> None:
    """Start everything, create every collection, and wait until all are Ready."""
    for engine in testbed.engines.values():
        engine.start()
    for engine in testbed.engines.values():
        await asyncio.to_thread(engine.wait_for, LISTENING, START_S)
    await move_others_in(testbed)
    await describe_engine(testbed)
    for operator in testbed.operators.values():
        operator.start()
    await _until_engine_ready(testbed)
    await asyncio.gather(*(user.create_all() for user in users))
    testbed.timeline.add(f"{len(testbed.ledger.wishes)} collections are created")
    unsettled = await calm.settled(testbed, START_S + testbed.options.collections / 5)
    if unsettled:
        raise TimeoutError(f"before the storm: {len(unsettled)} not settled: {unsettled[:3]}")
    testbed.timeline.add("all are Ready; the storm begins")


async def _until_engine_ready(testbed: Testbed) -> None:
    async def is_engine_ready() -> bool:
        engines = (await testbed.api.list(VECTOR_ENGINE)).items
        return bool(engines) and all(map(is_ready, engines))

    await eventually(is_engine_ready, "the engine is Ready", START_S)


async def _edit_through(testbed: Testbed, users: Sequence[User]) -> None:
    """Have users edit while faults happen; return when both have come to an end."""
    at_work = [asyncio.create_task(user.run()) for user in users]
    await Weather(testbed).blow(testbed.options.seconds)
    testbed.timeline.add("the storm is over")
    for user in users:
        user.done.set()
    tending = asyncio.create_task(_tend(testbed))
    try:
        await asyncio.gather(*at_work)
    finally:
        tending.cancel()


async def _calm(testbed: Testbed, users: Sequence[User], result: Result) -> None:
    begun = time.monotonic()
    tending = asyncio.create_task(_tend(testbed))
    try:
        for user in users:
            await _release_what_waits(user)
    finally:
        tending.cancel()
    unsettled = await calm.settled(testbed, CALM_S)
    while not unsettled and time.monotonic() - begun < CALM_S:
        result.calm_s = time.monotonic() - begun
        # What was dropped behind the operators shows at their next resync; others then have room
        # on another engine. After that there is nothing to write any more.
        result.writes = await _writes_in_calm(testbed)
        if not result.writes:
            break
        unsettled = await calm.settled(testbed, CALM_S)
    testbed.timeline.add(f"calm after {result.calm_s:.0f} s; looking at everything")
    if result.writes:
        unsettled.append(f"the operators wrote {result.writes} times though nothing happened")
    result.wrong += [*unsettled, *testbed.ledger.wrong, *await calm.compare(testbed)]
    result.wrong += calm.log_complaints(testbed)


async def _release_what_waits(user: User) -> None:
    """Objects that were deleted but wait to be empty get another policy, as a person would do."""
    for wish in list(user.ledger.wishes.values()):
        if wish.name in user.names and wish.deleting and wish.policy == "DeleteIfEmpty":
            await user.release(wish)


async def _writes_in_calm(testbed: Testbed) -> int:
    """Count writes of the operators over two resync periods, their lease's and events left out."""
    log = testbed.plane.audit_log
    assert log is not None
    beginning = log.stat().st_size
    await asyncio.sleep(2.4 * testbed.options.resync)
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


def _memory(testbed: Testbed) -> dict[str, float]:
    return {name: process.rss_mib for name, process in testbed.processes.items()}


def _memory_complaints(result: Result) -> list[str]:
    """Operators change roles, so the larger of the two is compared with the larger before."""
    operators = [pair for name, pair in result.memory.items() if name.startswith("operator")]
    before, after = max(old for old, _ in operators), max(new for _, new in operators)
    if after <= before * MEMORY_FACTOR + MEMORY_MIB:
        return []
    return [f"an operator has {after:.0f} MiB, before the storm it was {before:.0f}"]
