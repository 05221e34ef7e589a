"""What one engine's collections do holds up no other's."""

import asyncio
from itertools import count

from quiver.control.observe.metrics import Metrics
from quiver.control.work.fair_queue import FairQueue
from quiver.control.work.queue import WorkQueue
from quiver.domain.kubernetes_types import Key


def key(engine: str, number: int) -> Key:
    return Key(engine, str(number))


def flows(limit: int) -> FairQueue:
    return FairQueue(lambda key: key.namespace, limit)


def test_lanes_take_turns() -> None:
    """A thousand keys of one engine are ahead, and the next turn is the other's."""
    waiting = flows(limit=2000)
    for number in range(1000):
        waiting.put(key("crowded", number))
    waiting.put(key("quiet", 0))
    taken = [waiting.take() for _ in range(3)]
    assert taken == [key("crowded", 0), key("quiet", 0), key("crowded", 1)]
    assert len(waiting) == 998


def test_a_lane_has_so_many_keys_out_and_no_more() -> None:
    """The limit holds for each flow by itself, and a key that comes back makes room."""
    waiting = flows(limit=2)
    for engine in ("a", "b"):
        for number in range(3):
            waiting.put(key(engine, number))
    taken = []
    while waiting.has_next:
        taken.append(waiting.take())
    assert sorted(taken) == [key("a", 0), key("a", 1), key("b", 0), key("b", 1)]
    waiting.give_back(key("a", 0))
    assert waiting.take() == key("a", 2)
    assert not waiting.has_next


def test_a_lane_that_is_held_up_has_one_key_out() -> None:
    """Until one of its keys comes back without having waited for an engine in vain."""
    waiting = flows(limit=3)
    for number in range(6):
        waiting.put(key("slow", number))
    for number in range(3):
        assert waiting.take() == key("slow", number)
    for number in range(2):
        waiting.give_back(key("slow", number), held_up=True)
        assert not waiting.has_next
    waiting.give_back(key("slow", 2), held_up=True)
    assert waiting.take() == key("slow", 3)
    assert not waiting.has_next
    waiting.give_back(key("slow", 3))
    assert [waiting.take(), waiting.take()] == [key("slow", 4), key("slow", 5)]


def test_nothing_is_kept_of_lanes_that_are_empty() -> None:
    """Engines and collections come and go for years."""
    waiting = flows(limit=1)
    for number in range(100):
        waiting.put(key(f"engine-{number}", 0))
        waiting.give_back(waiting.take())
    assert (len(waiting), waiting.has_next) == (0, False)
    assert [waiting._waiting, waiting._turns, waiting._out, waiting._busy] == [{}, {}, {}, {}]
    assert (waiting._held_up, waiting._places) == (set(), {})


def test_groups_of_a_lane_take_turns() -> None:
    """A tenant's one collection does not wait behind the thousand of another tenant."""
    waiting = FairQueue(lambda _key: "engine", 2000, lambda key: key.namespace)
    for number in range(1000):
        waiting.put(key("crowd", number))
    assert waiting.take() == key("crowd", 0)
    waiting.put(key("single", 0))
    taken = [waiting.take() for _ in range(3)]
    assert taken == [key("crowd", 1), key("single", 0), key("crowd", 2)]
    assert len(waiting) == 997


def test_a_waiting_key_can_change_its_group() -> None:
    """What was to be looked at again some time, and is then changed, waits with what is new."""
    urgent = set[Key]()
    waiting = FairQueue(lambda _key: "engine", 2000, urgent.__contains__)
    for number in range(1000):
        waiting.put(key("a", number))
    urgent.add(key("a", 999))
    waiting.regroup(key("a", 999))
    assert [waiting.take() for _ in range(3)] == [key("a", 0), key("a", 999), key("a", 1)]
    assert len(waiting) == 997


async def test_an_add_takes_a_waiting_key_to_its_present_group() -> None:
    """An add of a waiting key folds into the one before, and its group is asked for anew."""
    urgent = set[Key]()
    inner = FairQueue(lambda _key: "engine", 2000, urgent.__contains__)
    queue = WorkQueue(Metrics().queue("things"), waiting=inner)
    for number in range(10):
        queue.add(key("a", number))
    urgent.add(key("a", 9))
    queue.add(key("a", 9))
    assert [await queue.get() for _ in range(2)] == [key("a", 0), key("a", 9)]
    queue.add(key("a", 9))
    assert len(queue) == 8


async def test_a_worker_waits_though_a_full_lane_has_keys() -> None:
    """It is woken by a key of another flow, and by room in the full one."""
    queue = WorkQueue(Metrics().queue("things"), waiting=flows(limit=1))
    queue.add(key("a", 0))
    queue.add(key("a", 1))
    assert await queue.get() == key("a", 0)
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add(key("b", 0))
    assert await worker == key("b", 0)
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not worker.done()
    queue.done(key("a", 0))
    assert await asyncio.wait_for(worker, 5) == key("a", 1)


async def test_no_worker_sleeps_while_there_is_work_for_it() -> None:
    """Eight workers on three flows: each key is worked on once, within each flow's limit."""
    queue = WorkQueue(Metrics().queue("things"), waiting=flows(limit=2))
    keys = [key(engine, number) for engine in "abc" for number in range(50)]
    busy, seen, steps = dict.fromkeys("abc", 0), list[Key](), count()

    async def work() -> None:
        while len(seen) < len(keys):
            taken = await queue.get()
            busy[taken.namespace] += 1
            assert busy[taken.namespace] <= 2
            for _ in range(next(steps) % 3):
                await asyncio.sleep(0)
            busy[taken.namespace] -= 1
            seen.append(taken)
            queue.done(taken)
        queue.shut_down()

    for waiting in keys:
        queue.add(waiting)
    async with asyncio.timeout(10):
        await asyncio.gather(*(work() for _ in range(8)), return_exceptions=True)
    assert sorted(seen) == sorted(keys)
