"""Engines that do not answer are left alone, but for one probe at a time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from quiver.control.observe.metrics import Metrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.breakers import (
    CONCURRENT_PROBES,
    PROBING,
    UNWANTED_S,
    Breakers,
    unanswered,
)
from quiver.control.work.controller import Controller, Hooks, Pace
from quiver.control.work.parking import Parking
from quiver.control.work.queue import WorkQueue
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import Key
from quiver.ports.errors import (
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
    EngineUnreachable,
)
from quiver.reconcile.result import Result
from support.waiting import eventually

DEAD, WELL = "10.0.0.7:19530", "10.0.0.8:19530"


class FakeEngines:
    """Addresses that answer or not, and how often each was called by what name."""

    def __init__(self) -> None:
        self.dead = {DEAD}
        self.refusing: EngineError | None = None
        self.words = "did not answer within 5 s"
        self.calls: Counter[tuple[str, str]] = Counter()
        self.at_once: Counter[str] = Counter()

    def at(self, target: Target) -> Any:
        return _Member(self, target.address)


class _Member:
    def __init__(self, engines: FakeEngines, address: str) -> None:
        self._engines = engines
        self._address = address

    async def version(self) -> str:
        return await self._answer("version", "1.1.1")

    async def list_collections(self) -> frozenset[str]:
        return await self._answer("list_collections", frozenset())

    async def _answer(self, name: str, answer: Any) -> Any:
        engines, address = self._engines, self._address
        engines.calls[address, name] += 1
        engines.at_once[name] += 1
        assert name != "version" or engines.at_once[name] == 1, "one probe at a time"
        await asyncio.sleep(0.001)
        engines.at_once[name] -= 1
        if address in engines.dead:
            raise EngineUnreachable(engines.words)
        if engines.refusing is not None:
            raise engines.refusing
        return answer


class Setup:
    def __init__(self, unwanted: float = UNWANTED_S) -> None:
        self.engines, self.metrics = FakeEngines(), Metrics()
        hasty = Backoff(base=0.002, cap=0.004)
        self.breakers = Breakers(self.engines, self.metrics, hasty, unwanted)
        self.recovered: list[Target] = []
        self.breakers.subscribe(self.recovered.append)

    async def ask(self, address: str) -> str | None:
        """Return the words of the failure."""
        try:
            await self.breakers.at(Target(address, "Quiver")).list_collections()
        except EngineUnreachable as error:
            return str(error)
        return None

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    setup = Setup()
    async with setup.breakers.probing():
        yield setup


async def test_an_address_that_did_not_answer_is_not_called_again(setup: Setup) -> None:
    """Further calls fail at once, with the words of the first failure; others go through."""
    assert await setup.ask(DEAD) == setup.engines.words
    first, setup.engines.words = setup.engines.words, "did not answer within 6 s"
    for _ in range(50):
        assert await setup.ask(DEAD) == first
    assert setup.engines.calls[DEAD, "list_collections"] == 1
    assert await setup.ask(WELL) is None
    assert setup.sample("quiver_operator_silent_engine_addresses") == 1


async def test_a_probe_finds_out_when_it_answers_again(setup: Setup) -> None:
    """It is probed again and again; then calls go through and whoever waits is told."""
    await setup.ask(DEAD)
    await eventually(lambda: setup.engines.calls[DEAD, "version"] >= 3, "it is tried three times")
    assert setup.recovered == []
    setup.engines.dead.clear()
    await eventually(lambda: setup.recovered, "it is reached again")
    assert setup.recovered == [Target(DEAD, "Quiver")]
    assert await setup.ask(DEAD) is None
    assert setup.sample("quiver_operator_silent_engine_addresses") == 0


@pytest.mark.parametrize(
    "refusal",
    [
        EngineRefused("UNEXPECTED_ERROR", "busy", retriable=True),
        EngineUnauthenticated("who are you?"),
    ],
)
async def test_a_refusal_is_an_answer(setup: Setup, refusal: EngineError) -> None:
    """An engine that says no is there, also if it is to who asks."""
    setup.engines.refusing = refusal
    with pytest.raises(type(refusal)):
        await setup.breakers.at(Target(WELL, "Quiver")).list_collections()
    assert not setup.breakers.is_open(Target(WELL, "Quiver"))
    await setup.ask(DEAD)
    setup.engines.dead.clear()
    await eventually(lambda: setup.recovered, "it is reached again")


async def test_an_engine_that_answers_nothing_but_probes_is_probed_less_and_less(
    setup: Setup,
) -> None:
    """Else its collections would be tried, in vain, as fast as a probe is answered."""
    failures: list[int] = []
    setup.breakers._probing = type(
        "Counting", (), {"delay": lambda _s, n: failures.append(n) or 0}
    )()  # type: ignore[assignment, func-returns-value]
    setup.breakers._engines = HalfDead()  # type: ignore[assignment]
    for _ in range(3):
        assert await setup.ask(DEAD) is not None
        await eventually(lambda: not setup.breakers.is_open(Target(DEAD, "Quiver")), "it closes")
    assert failures == [1, 2, 3]


class HalfDead:
    """Answers `version` and nothing else."""

    def at(self, _target: Target) -> Any:
        return self

    async def version(self) -> str:
        return "1.1.1"

    async def list_collections(self) -> frozenset[str]:
        raise EngineUnreachable("did not answer within 5 s")


def test_the_probes_of_a_dead_engine_become_rare() -> None:
    """The delay doubles up to two minutes: what was away for a while is noticed within as long."""
    longest = replace(PROBING, uniform=lambda _least, most: most)
    delays = [longest.delay(failures) for failures in range(1, 20)]
    assert delays[:4] == [0.25, 0.5, 1, 2]
    assert delays[-1] == 120


async def test_an_engine_that_may_have_changed_is_probed_at_once() -> None:
    """By its name, and with short delays again; other engines wait for their turn."""
    setup = Setup()
    setup.breakers._probing = Backoff(base=3600, cap=3600)
    async with setup.breakers.probing():
        await setup.ask(DEAD)
        await asyncio.sleep(0)
        setup.engines.dead.clear()
        setup.breakers.look_again({WELL})
        await asyncio.sleep(0.01)
        assert setup.breakers.is_open(Target(DEAD, "Quiver"))
        setup.breakers.look_again({DEAD})
        await eventually(lambda: setup.recovered, "it is probed")


async def test_after_a_change_the_delays_are_short_again() -> None:
    """A hint that comes too early is not the last chance for two minutes."""
    setup, delays = Setup(), Delays()
    setup.breakers._probing = delays  # type: ignore[assignment]
    async with setup.breakers.probing():
        await setup.ask(DEAD)
        await eventually(lambda: len(delays.asked) >= 5, "it is probed less and less")
        delays.asked.clear()
        setup.breakers.look_again({DEAD})
        await eventually(lambda: len(delays.asked) >= 3, "it is probed again")
        assert 1 in delays.asked[:2]


class Delays:
    """Stands for a backoff without delays; has the numbers of failures that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def delay(self, failures: int) -> float:
        self.asked.append(failures)
        return 0.001


async def test_an_engine_that_has_just_failed_is_probed_before_those_long_dead() -> None:
    """One tenant's thousand dead endpoints do not keep another's engine from being found well."""
    setup, probed = Setup(), Lingering()
    setup.breakers._engines = probed  # type: ignore[assignment]
    setup.breakers._probing = Delays()  # type: ignore[assignment]
    async with setup.breakers.probing():
        for number in range(4 * CONCURRENT_PROBES):
            await setup.ask(f"10.1.{number // 256}.{number % 256}:19530")
        rounds = 3 * 4 * CONCURRENT_PROBES
        await eventually(lambda: len(probed.order) >= rounds, "each is probed some times")
        await setup.ask(WELL)
        before = len(probed.order)
        # All are hinted, so that none waits for a timer, which may be late.
        setup.breakers.look_again({*probed.order, WELL})
        await eventually(lambda: WELL in probed.order, "it is probed")
        assert probed.order.index(WELL) - before <= CONCURRENT_PROBES


class Lingering:
    """Answers no call; a probe takes a moment."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def at(self, target: Target) -> Any:
        return _LingeringMember(self, target.address)


class _LingeringMember:
    def __init__(self, engines: Lingering, address: str) -> None:
        self._engines = engines
        self._address = address

    async def version(self) -> str:
        self._engines.order.append(self._address)
        await asyncio.sleep(0.02)
        raise EngineUnreachable("did not answer within 5 s")

    async def list_collections(self) -> frozenset[str]:
        raise EngineUnreachable("did not answer within 5 s")


async def test_what_answers_again_and_is_not_called_any_more_is_forgotten() -> None:
    """A VectorEngine may be deleted at that moment, and its TLS certificates are part of this."""
    setup = Setup(unwanted=0.05)
    async with setup.breakers.probing():
        await setup.ask(DEAD)
        setup.engines.dead.clear()
        await eventually(lambda: setup.recovered, "it is reached again")
        await eventually(lambda: not setup.breakers._failures, "nothing is left of it")


async def test_so_many_are_probed_at_once_and_no_more() -> None:
    """Thousands of dead addresses do not get as many connections."""
    setup, probed = Setup(), Probed()
    setup.breakers._engines = probed  # type: ignore[assignment]
    async with setup.breakers.probing():
        for number in range(CONCURRENT_PROBES + 50):
            assert await setup.ask(f"10.1.{number // 256}.{number % 256}:19530") is not None
        await eventually(lambda: probed.under_way >= CONCURRENT_PROBES, "many are probed")
        await asyncio.sleep(0.02)
        assert probed.under_way == CONCURRENT_PROBES


class Probed:
    """Answers no call; probes last for ever."""

    def __init__(self) -> None:
        self.under_way = 0

    def at(self, _target: Target) -> Any:
        return self

    async def version(self) -> str:
        self.under_way += 1
        await asyncio.Event().wait()
        return ""

    async def list_collections(self) -> frozenset[str]:
        raise EngineUnreachable("did not answer within 5 s")


async def test_an_address_that_nobody_wants_any_more_is_forgotten() -> None:
    """A pod's address goes with the pod: it is not probed for ever."""
    setup = Setup(unwanted=0.05)
    async with setup.breakers.probing():
        await setup.ask(DEAD)
        await eventually(lambda: not setup.breakers.is_open(Target(DEAD, "Quiver")), "it closes")
        before = setup.engines.calls[DEAD, "version"]
        await asyncio.sleep(0.02)
        assert setup.engines.calls[DEAD, "version"] == before


async def test_an_address_that_led_to_what_is_gone_is_forgotten_at_once() -> None:
    """Somebody else may have it: it is neither probed again nor counted as silent."""
    setup = Setup()
    async with setup.breakers.probing():
        await setup.ask(DEAD)
        before = setup.engines.calls[DEAD, "version"]
        setup.breakers.forget({DEAD})
        await eventually(lambda: not setup.breakers.is_open(Target(DEAD, "Quiver")), "it closes")
        assert setup.engines.calls[DEAD, "version"] == before


async def test_who_was_not_answered_can_be_known(setup: Setup) -> None:
    """Within a block, also in tasks that it starts, whether a call was made or not."""
    with unanswered() as first:
        await asyncio.gather(setup.ask(DEAD), setup.ask(WELL))
    with unanswered() as second:
        await setup.ask(DEAD)
    with unanswered() as third:
        await setup.ask(WELL)
    assert [list(block) for block in (first, second, third)] == [
        [Target(DEAD, "Quiver")],
        [Target(DEAD, "Quiver")],
        [],
    ]


class Asking:
    """A reconciler that asks an engine and is done when it was answered."""

    def __init__(self, setup: Setup) -> None:
        self.seen: Counter[Key] = Counter()
        self.done: set[Key] = set()
        self._setup = setup

    async def reconcile(self, key: Key) -> Result:
        self.seen[key] += 1
        if await self._setup.ask(DEAD) is not None:
            return Result.RETRY
        self.done.add(key)
        return Result.DONE


@asynccontextmanager
async def controlled(setup: Setup, reconciler: Asking, queue: WorkQueue) -> AsyncIterator[Parking]:
    gauge = setup.metrics.parked.labels("things")
    parking = Parking(setup.breakers, queue.add_afresh, gauge.set)
    hooks = Hooks(park=parking.park)
    controller = Controller("things", reconciler, queue, setup.metrics, Pace(workers=2), hooks)
    task = asyncio.create_task(controller.run())
    try:
        yield parking
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_objects_of_a_dead_engine_are_parked_and_all_come_back(setup: Setup) -> None:
    """A hundred objects cost nothing while it is dead, and nothing has to remind of them."""
    queue = WorkQueue(setup.metrics.queue("things"), Backoff(base=20, cap=60))
    reconciler, keys = Asking(setup), [Key("team-a", str(number)) for number in range(100)]
    async with controlled(setup, reconciler, queue) as parking:
        for key in keys:
            queue.add(key)
        await eventually(lambda: all(key in parking for key in keys), "all are parked")
        assert setup.sample("quiver_operator_parked_objects", controller="things") == 100
        assert set(reconciler.seen.values()) == {1}
        assert queue._timers == {}
        setup.engines.dead.clear()
        await eventually(lambda: reconciler.done == set(keys), "all are done")
        assert setup.sample("quiver_operator_parked_objects", controller="things") == 0


async def test_the_first_retries_do_not_wait_for_the_engine(setup: Setup) -> None:
    """While retries are due within seconds, time passes as for any other failure."""
    queue = WorkQueue(setup.metrics.queue("things"), Backoff(base=0.001, cap=0.002))
    reconciler, key = Asking(setup), Key("team-a", "a")
    async with controlled(setup, reconciler, queue) as parking:
        queue.add(key)
        await eventually(lambda: reconciler.seen[key] >= 4, "it is looked at four times")
        assert key not in parking
