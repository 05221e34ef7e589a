"""An engine that is dead, or slow, or comes back with nothing, is its own collections' trouble."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from machine.engine_process import EngineProcess
from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.app import Operator
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from support.faulty_engine import FaultyEngine, Proceed, never_answers
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import eventually

MANY = 40
WORKERS = {"workers": 12, "workers_per_namespace": 6, "workers_per_engine": 4}
CALL_S = 4.0
PATIENCE_S = 20.0


class Slow:
    """A fault that lets calls through one after another, each after a while; `most` is how many
    were under way at once.
    """

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds = seconds
        self._under_way = 0

    async def __call__(self, proceed: Proceed, _context: Any) -> bytes:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(self._seconds)
        self._under_way -= 1
        return await proceed()


@pytest.fixture
async def impatient() -> AsyncIterator[Milvus1Engines]:
    """The driver with short deadlines, so that a silent engine does not cost minutes."""
    engines = Milvus1Engines(Deadlines(CALL_S, CALL_S))
    yield engines
    await engines.close()


@pytest.fixture
async def faulty(world: Namespace) -> AsyncIterator[FaultyEngine]:
    """The world's engine behind a proxy, as VectorEngine `faulty`."""
    async with FaultyEngine(world.address) as engine:
        endpoints = {"endpoints": [engine.address]}
        await world.create(VECTOR_ENGINE, "faulty", {"external": endpoints})
        yield engine


async def create_many(world: Namespace, prefix: str) -> list[str]:
    names = [f"{prefix}{number}" for number in range(MANY)]
    engine = {"name": "faulty"}
    await asyncio.gather(*(world.create_collection(name, engineRef=engine) for name in names))
    return names


def parked(operator: Operator) -> float:
    labels = {"controller": "vectorcollection"}
    sample = operator.metrics.registry.get_sample_value("quiver_operator_parked_objects", labels)
    return sample or 0


async def test_a_dead_engine_holds_up_nobody_and_gets_one_call_at_a_time(
    world: Namespace, faulty: FaultyEngine, impatient: Milvus1Engines
) -> None:
    """Its collections are told of it, wait without cost, and are all Ready soon after it answers.

    Another engine's collection is Ready before the first call to the dead one has been given up.
    """
    faulty.spoil(never_answers)
    async with running(world.operator_api, impatient, **WORKERS) as operator:
        names = await create_many(world, "waits")
        await world.create_collection("docs")
        await world.ready("docs")
        said = [ready_condition(await world.get(name)).get("reason") for name in names]
        assert "EngineUnreachable" not in said
        for name in names:
            await world.settled(name, "EngineUnreachable")

        async def all_wait() -> bool:
            return parked(operator) == MANY

        await eventually(all_wait, "all of them are parked")
        before = Counter(faulty.calls)
        await probed(faulty)
        assert faulty.calls - before == {"Cmd": faulty.calls["Cmd"] - before["Cmd"]}
        faulty.heal()
        await asyncio.wait_for(world.ready(*names), PATIENCE_S)
        assert parked(operator) == 0


async def probed(faulty: FaultyEngine) -> None:
    before = faulty.calls["Cmd"]

    async def again() -> bool:
        return faulty.calls["Cmd"] > before

    await eventually(again, "the dead engine is probed")


async def test_a_slow_engine_gets_its_share_of_workers_and_no_more(
    world: Namespace, faulty: FaultyEngine
) -> None:
    """With more of its collections waiting than there are workers, another's has its turn."""
    slow = Slow(0.3)
    faulty.spoil(slow, "DescribeCollection")
    async with running(world.operator_api, world.engines, **WORKERS):
        names = await create_many(world, "slow")
        await world.create_collection("docs")
        await world.ready("docs")
        waiting = [name for name in names if await world.engine.describe(name) is None]
        assert len(waiting) > MANY / 2, "the other one did not wait for them"
        await world.ready(*names)
    assert slow.most == WORKERS["workers_per_engine"]


async def test_an_engine_that_lost_everything_comes_back_at_its_pace(
    world: Namespace, faulty: FaultyEngine
) -> None:
    """All its collections are made anew, a few at a time, and another's need not wait for them."""
    slow = Slow(0.2)
    async with running(world.operator_api, world.engines, resync_period=2, **WORKERS):
        names = await create_many(world, "lost")
        await world.ready(*names)
        faulty.spoil(slow, "CreateCollection")
        await asyncio.gather(*(world.engine.drop(name) for name in names))

        async def comes_back() -> bool:
            return bool(await world.engine.list_collections())

        await eventually(comes_back, "the first is back")
        await world.create_collection("docs")
        await world.ready("docs")
        assert len(await world.engine.list_collections()) <= MANY / 2

        async def all_back() -> bool:
            return set(names) <= await world.engine.list_collections()

        await eventually(all_back, "all are back", PATIENCE_S)
    assert slow.most <= WORKERS["workers_per_engine"]


async def test_drift_that_names_do_not_show_is_found(world: Namespace) -> None:
    """A partition that was dropped behind our back comes back within the period of verification."""
    async with running(world.operator_api, world.engines, verify_period=2):
        await world.create_collection("docs", partitions=["a"])
        await world.ready("docs")
        await world.engine.drop_partition("docs", "a")

        async def is_back() -> bool:
            found = await world.engine.describe("docs")
            return found is not None and found.partitions == {"a"}

        await eventually(is_back, "the partition is back")


async def test_an_engine_that_was_restarted_is_back_at_once(
    world: Namespace, engine_process: EngineProcess
) -> None:
    """A refused connection opens the breaker as silence does, and a probe closes it."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        engine_process.kill()
        await world.create_collection("more")
        await world.settled("more", "EngineUnreachable")
        await asyncio.to_thread(engine_process.start)
        await asyncio.wait_for(world.ready("more"), PATIENCE_S)
