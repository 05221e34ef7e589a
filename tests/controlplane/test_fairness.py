"""What one tenant asks for does not delay another tenant."""

import asyncio
import time
from dataclasses import replace

from quiver.adapters.drivers import Drivers
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from quiver.settings import Settings
from support.namespaces import Namespace
from support.operators import running
from support.slow_engines import SlowEngines
from support.waiting import eventually

ENGINES = 400
COLLECTIONS = Settings.workers
"""Of the slow engines: enough to keep all workers waiting."""
AT_ONCE = 8
LATE_S = 3.0
"""Less than the deadline of a call (5 s), also on a machine that is busy with other tests."""
PROBES = 10
MOST_S = 5.0
"""Such a machine takes a while without slow engines too. In turns by engine alone it is minutes."""


async def test_slow_engines_of_one_namespace_delay_no_other(
    world: Namespace, neighbour: Namespace, engines: Drivers
) -> None:
    """Beside 400 engines that answer just inside the deadline of a call, a collection and an engine
    that are new in another namespace are Ready as soon as without them.
    """
    greedy = replace(neighbour, engine_namespace=None)
    async with SlowEngines(LATE_S) as slow, running(world.operator_api, engines):
        await seconds_to_ready(world, "quiet")
        await add_slow_engines(greedy, slow)

        async def all_it_gets() -> bool:
            return slow.under_way >= AT_ONCE

        await eventually(all_it_gets, "the operator waits for the slow engines")
        for number in range(PROBES):
            assert await seconds_to_ready(world, f"beside{number}") < MOST_S
        endpoints = {"endpoints": [world.address]}
        begun = time.monotonic()
        await world.create(VECTOR_ENGINE, "another", {"external": endpoints})
        await world.settled_engine("another")
        assert time.monotonic() - begun < MOST_S
        assert slow.under_way >= AT_ONCE


async def seconds_to_ready(world: Namespace, name: str) -> float:
    begun = time.monotonic()
    await world.create_collection(name)
    await world.ready(name)
    return time.monotonic() - begun


async def add_slow_engines(greedy: Namespace, slow: SlowEngines) -> None:
    """Make the engines, and some collections for them."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def add(number: int, address: str) -> None:
        async with turns:
            name = f"slow{number}"
            await greedy.create(VECTOR_ENGINE, name, {"external": {"endpoints": [address]}})
            if number < COLLECTIONS:
                await greedy.create_collection(name, engineRef={"name": name})

    await asyncio.gather(*(add(n, at) for n, at in enumerate(slow.addresses(ENGINES))))
