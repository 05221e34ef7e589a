"""Workers go on, whatever a reconcile does."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from quiver.control.observe.logs import log_formatter
from quiver.control.observe.metrics import Metrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.controller import Controller, Hooks, Pace
from quiver.control.work.queue import WorkQueue
from quiver.domain.kubernetes_types import Key
from quiver.ports.errors import ApiUnavailable, Conflict
from quiver.reconcile.result import Result

A, B = Key("team-a", "a"), Key("team-a", "b")
Behaviour = Callable[[Key, int], Awaitable[Result]]


class Scripted:
    """A reconciler that does as its script says; the script is told how often the key was seen
    before.
    """

    def __init__(self, behave: Behaviour) -> None:
        self.seen: list[Key] = []
        self._behave = behave
        self._changed = asyncio.Condition()

    async def reconcile(self, key: Key) -> Result:
        before = self.seen.count(key)
        self.seen.append(key)
        async with self._changed:
            self._changed.notify_all()
        return await self._behave(key, before)

    async def until_seen(self, key: Key, times: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.seen.count(key) >= times)


class Setup:
    def __init__(self, behave: Behaviour, **pace: float) -> None:
        self.metrics = Metrics()
        self.queue = WorkQueue(self.metrics.queue("things"), Backoff(base=0.001, cap=0.002))
        self.reconciler = Scripted(behave)
        self.controller = Controller(
            "things", self.reconciler, self.queue, self.metrics, Pace(workers=2, **pace)
        )

    def counted(self, result: str) -> float | None:
        labels = {"controller": "things", "result": result}
        return self.metrics.registry.get_sample_value("controller_runtime_reconcile_total", labels)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.controller.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def done(_key: Key, _before: int) -> Result:
    return Result.DONE


async def test_a_bug_stops_neither_the_object_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An exception that nobody foresaw is logged with its traceback, the object is tried again,
    others go on.
    """

    async def behave(key: Key, before: int) -> Result:
        if key == A and before < 2:
            raise ZeroDivisionError
        return Result.DONE

    setup = Setup(behave)
    async with setup.running():
        setup.queue.add(A)
        setup.queue.add(B)
        await setup.reconciler.until_seen(A, 3)
        await setup.reconciler.until_seen(B, 1)
    assert setup.counted("error") == 2
    assert all(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


async def test_results_and_errors_have_their_counters_from_the_start() -> None:
    """`increase` over a counter that begins at 1 is 0: an alert would miss the first error."""
    setup = Setup(done)
    assert [setup.counted(result) for result in ("success", "requeue_after", "error")] == [0, 0, 0]
    errors = "controller_runtime_reconcile_errors_total"
    labels = {"controller": "things"}
    assert setup.metrics.registry.get_sample_value(errors, labels) == 0


@pytest.mark.parametrize(
    ("error", "levels"),
    [
        (Conflict("changed"), set()),
        (ApiUnavailable("no answer"), {logging.WARNING}),
    ],
)
async def test_what_was_to_be_expected_is_no_alarm(
    error: Exception, levels: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    """A conflict passes quietly and an outage costs a line, both without a traceback."""

    async def behave(_key: Key, before: int) -> Result:
        if before == 0:
            raise error
        return Result.DONE

    setup = Setup(behave)
    caplog.set_level(logging.INFO)
    async with setup.running():
        setup.queue.add(A)
        await setup.reconciler.until_seen(A, 2)
    assert {record.levelno for record in caplog.records} == levels
    assert not any(record.exc_info for record in caplog.records)


async def test_retry_comes_back_and_done_does_not() -> None:
    """RETRY means again after a wait; DONE means when something changes."""

    async def behave(_key: Key, before: int) -> Result:
        return Result.RETRY if before < 3 else Result.DONE

    setup = Setup(behave)
    async with setup.running():
        setup.queue.add(A)
        await setup.reconciler.until_seen(A, 4)
    assert setup.reconciler.seen == [A] * 4
    assert (setup.counted("requeue_after"), setup.counted("success")) == (3, 1)


async def test_a_reconcile_that_hangs_is_ended() -> None:
    """After the deadline the worker is free again and the object is retried."""

    async def behave(_key: Key, before: int) -> Result:
        if before == 0:
            await asyncio.Event().wait()
        return Result.DONE

    setup = Setup(behave, deadline=0.01)
    async with setup.running():
        setup.queue.add(A)
        await setup.reconciler.until_seen(A, 2)


async def test_a_key_is_never_reconciled_twice_at_once() -> None:
    """With a worker free, an object that changes during its reconcile waits for its end."""
    running: set[Key] = set()
    turn = asyncio.Event()

    async def behave(key: Key, _before: int) -> Result:
        assert key not in running
        running.add(key)
        await turn.wait()
        running.discard(key)
        return Result.DONE

    setup = Setup(behave)
    async with setup.running():
        setup.queue.add(A)
        await setup.reconciler.until_seen(A, 1)
        setup.queue.add(A)
        turn.set()
        await setup.reconciler.until_seen(A, 2)
    assert not setup.counted("error")


async def test_a_reconcile_under_way_may_end() -> None:
    """Told to stop, the controller lets a write that has begun come to its end."""
    begun, finished = asyncio.Event(), asyncio.Event()

    async def behave(_key: Key, _before: int) -> Result:
        begun.set()
        await asyncio.sleep(0.01)
        finished.set()
        return Result.DONE

    setup = Setup(behave, grace=10)
    async with setup.running():
        setup.queue.add(A)
        await begun.wait()
    assert finished.is_set()


async def test_log_lines_say_what_they_are_about() -> None:
    """A line that is logged during a reconcile carries the object's fields."""
    lines: list[dict[str, str]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(log_formatter("json").format(record)))

    logger, handler = logging.getLogger("quiver.test"), Collect()
    logger.addHandler(handler)

    async def behave(_key: Key, _before: int) -> Result:
        logger.warning("look at %s", "this")
        return Result.DONE

    metrics = Metrics()
    queue = WorkQueue(metrics.queue("things"))
    reconciler = Scripted(behave)
    controller = Controller(
        "things",
        reconciler,
        queue,
        metrics,
        Pace(workers=1),
        Hooks(describe=lambda key: {"name": key.name}),
    )
    task = asyncio.create_task(controller.run())
    queue.add(A)
    await reconciler.until_seen(A, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    logger.removeHandler(handler)
    assert [(line["message"], line["name"]) for line in lines] == [("look at this", "a")]
