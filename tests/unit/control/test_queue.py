"""The work queue keeps client-go's promises."""

import asyncio

import pytest

from quiver.control.observe.metrics import Metrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.queue import ShutDown, WorkQueue
from quiver.domain.kubernetes_types import Key

A, B = Key("team-a", "a"), Key("team-a", "b")
HASTY = Backoff(base=0.001, cap=0.002, uniform=lambda low, high: high)  # noqa: ARG005


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def queue(metrics: Metrics) -> WorkQueue:
    return WorkQueue(metrics.queue("things"), HASTY)


async def test_adds_of_a_waiting_key_fold(queue: WorkQueue) -> None:
    """A key that was added three times before anybody took it is worked on once."""
    for _ in range(3):
        queue.add(A)
    assert await queue.get() == A
    queue.done(A)
    assert len(queue) == 0


async def test_keys_come_in_the_order_of_their_adding(queue: WorkQueue) -> None:
    """The key that has waited longest is next."""
    queue.add(B)
    queue.add(A)
    assert [await queue.get(), await queue.get()] == [B, A]


async def test_a_key_is_in_one_workers_hands(queue: WorkQueue) -> None:
    """A key that is added while it is being worked on waits until it is given back, and comes once
    more.
    """
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    queue.add(A)
    queue.add(B)
    assert await queue.get() == B
    assert len(queue) == 0
    queue.done(A)
    assert await queue.get() == A


async def test_a_waiting_worker_is_woken(queue: WorkQueue) -> None:
    """A worker that waits gets a key as soon as it is added."""
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(A)
    assert await worker == A


async def test_a_cancelled_worker_swallows_no_key(queue: WorkQueue) -> None:
    """A worker that is cancelled in the moment it is woken leaves the key to the next."""
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(A)
    first.cancel()
    assert await second == A


async def test_a_retry_comes_back_by_itself(queue: WorkQueue, metrics: Metrics) -> None:
    """A key that is to be retried is given out again after its wait."""
    queue.retry(A)
    assert len(queue) == 0
    assert await queue.get() == A
    assert metrics.registry.get_sample_value("workqueue_retries_total", {"name": "things"}) == 1


async def test_taking_a_key_cancels_its_later_turn(queue: WorkQueue) -> None:
    """A key that an event brought forward is not worked on again when its retry would have been
    due.
    """
    queue.add_after(A, 0.001)
    queue.add(A)
    assert await queue.get() == A
    queue.done(A)
    queue.add_after(B, 0.005)
    assert await queue.get() == B


async def test_the_shortest_wait_counts(queue: WorkQueue) -> None:
    """Of two waits for one key, the one that ends first decides."""
    queue.add_after(A, 60)
    queue.add_after(A, 0.001)
    queue.add_after(A, 60)
    async with asyncio.timeout(5):
        assert await queue.get() == A


async def test_waits_grow_until_forgotten(metrics: Metrics) -> None:
    """Each failure in a row doubles the wait up to the cap; a success starts over."""
    backoff = Backoff(base=1, cap=5, uniform=lambda low, high: high)  # noqa: ARG005
    queue = WorkQueue(metrics.queue("things"), backoff)
    assert [queue.retry(A) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert queue.retry(B) == 1
    queue.forget(A)
    assert queue.retry(A) == 1
    queue.shut_down()


def test_jitter_takes_off_up_to_half() -> None:
    """A crowd that failed together does not come back together."""
    delays = {Backoff(base=8, cap=60).delay(1) for _ in range(50)}
    assert len(delays) > 1
    assert all(4 <= delay <= 8 for delay in delays)


def test_the_thousandth_failure_waits_for_the_cap() -> None:
    """However long something has failed, the wait is a number."""
    assert Backoff(cap=60, uniform=lambda low, high: high).delay(5000) == 60  # noqa: ARG005


async def test_a_queue_that_is_shut_down_gives_out_nothing(queue: WorkQueue) -> None:
    """After the shutdown waiting workers are sent home, adds are passed over, and keys can be given
    back.
    """
    queue.add(A)
    assert await queue.get() == A
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.shut_down()
    with pytest.raises(ShutDown):
        await worker
    queue.add(B)
    queue.done(A)
    with pytest.raises(ShutDown):
        await queue.get()
