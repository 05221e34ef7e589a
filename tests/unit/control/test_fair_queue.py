"""What one namespace or one engine asks for holds up no other's."""

import asyncio
from collections import Counter
from itertools import count

import pytest

from quiver.control.observe.metrics import Metrics
from quiver.control.work.fair_queue import MOST_HELD_UP, FairQueue, Limits
from quiver.control.work.queue import WorkQueue
from quiver.domain.kubernetes_types import Key

ONE = "the only engine"


def key(namespace: str, number: int) -> Key:
    return Key(namespace, str(number))


def engines(**limits: int) -> FairQueue:
    """Return a queue in which each namespace has one engine, of its name."""
    return FairQueue(lambda key: key.namespace, Limits(**limits))


def fill(waiting: FairQueue, *namespaces: str, each: int) -> None:
    for namespace in namespaces:
        for number in range(each):
            waiting.put(key(namespace, number))


def drain(waiting: FairQueue) -> list[Key]:
    taken = []
    while waiting.has_next:
        taken.append(waiting.take())
    return taken


def test_namespaces_take_turns() -> None:
    """A thousand keys of one namespace are ahead, on one engine or on a thousand, and the next turn
    is the other's.
    """
    for engine_of in (lambda _key: ONE, lambda key: key):
        waiting = FairQueue(engine_of, Limits())
        fill(waiting, "crowd", each=1000)
        waiting.put(key("quiet", 0))
        taken = [waiting.take() for _ in range(3)]
        assert taken == [key("crowd", 0), key("quiet", 0), key("crowd", 1)]
        assert len(waiting) == 998


def test_engines_of_a_namespace_take_turns() -> None:
    """A thousand keys of one engine are ahead, and the next turn is the other engine's."""
    waiting = FairQueue(lambda key: key.name == "999", Limits())
    fill(waiting, "a", each=1000)
    assert [waiting.take() for _ in range(3)] == [key("a", 0), key("a", 999), key("a", 1)]


def test_a_namespace_has_so_many_keys_out_and_no_more() -> None:
    """However many engines it has; a key that comes back makes room."""
    waiting = FairQueue(lambda key: key, Limits(per_namespace=2))
    fill(waiting, "a", "b", each=3)
    taken = drain(waiting)
    assert sorted(taken) == [key("a", 0), key("a", 1), key("b", 0), key("b", 1)]
    waiting.give_back(key("a", 0))
    assert drain(waiting) == [key("a", 2)]


@pytest.mark.parametrize("crowds", [1, 2, 7, 40])
def test_a_worker_stays_free_for_the_next_namespace(crowds: int) -> None:
    """Namespaces that ask for all there is get equal shares, and one share is left."""
    waiting = FairQueue(lambda key: key, Limits(total=64, per_namespace=48))
    names = [f"crowd-{number}" for number in range(crowds)]
    fill(waiting, *names, each=100)
    out = Counter(taken.namespace for taken in drain(waiting))
    assert set(out.values()) == {max(1, 64 // (crowds + 1))}
    assert out.keys() == set(names)
    assert out.total() < 64
    waiting.put(key("quiet", 0))
    assert waiting.take() == key("quiet", 0)


def test_one_worker_works() -> None:
    """Whatever its share would be, a namespace may have one key out."""
    waiting = FairQueue(lambda key: key, Limits(total=1, per_namespace=1))
    waiting.put(key("a", 0))
    assert waiting.take() == key("a", 0)


def test_an_engine_has_so_many_keys_out_and_no_more() -> None:
    """The limit holds for each engine by itself, and a key that comes back makes room."""
    waiting = engines(per_engine=2)
    fill(waiting, "a", "b", each=3)
    taken = drain(waiting)
    assert sorted(taken) == [key("a", 0), key("a", 1), key("b", 0), key("b", 1)]
    waiting.give_back(key("a", 0))
    assert drain(waiting) == [key("a", 2)]


def test_an_engine_of_several_namespaces_has_no_more_keys_out() -> None:
    """Its limit is for all of them together, and whoever waits longest is next."""
    waiting = FairQueue(lambda _key: ONE, Limits(per_engine=3))
    fill(waiting, "a", "b", each=2)
    assert drain(waiting) == [key("a", 0), key("b", 0), key("a", 1)]
    waiting.give_back(key("a", 0))
    assert drain(waiting) == [key("b", 1)]


def test_an_engine_that_is_held_up_has_one_key_out() -> None:
    """Until one of its keys comes back without having waited for an engine in vain."""
    waiting = engines(per_engine=3)
    fill(waiting, "slow", each=6)
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


def test_nothing_is_kept_of_what_is_gone() -> None:
    """Namespaces, engines and collections come and go for years."""
    waiting = engines(per_engine=1, per_namespace=1, total=4)
    for number in range(100):
        waiting.put(key(f"engine-{number}", 0))
        waiting.give_back(waiting.take())
    assert (len(waiting), waiting.has_next) == (0, False)
    assert [waiting._waiting, waiting._places, waiting._out] == [{}, {}, {}]
    assert [waiting._out_of_namespace, waiting._out_of_engine, waiting._held_up] == [{}, {}, {}]


def test_a_waiting_key_can_change_its_group() -> None:
    """What was to be looked at again some time, and is then changed, waits with what is new."""
    urgent = set[Key]()
    waiting = FairQueue(lambda _key: ONE, Limits(), urgent.__contains__)
    for number in range(1000):
        waiting.put(key("a", number))
    urgent.add(key("a", 999))
    waiting.regroup(key("a", 999))
    assert [waiting.take() for _ in range(3)] == [key("a", 0), key("a", 999), key("a", 1)]
    assert len(waiting) == 997


async def test_an_add_takes_a_waiting_key_to_its_present_group() -> None:
    """An add of a waiting key folds into the one before, and its group is asked for anew."""
    urgent = set[Key]()
    inner = FairQueue(lambda _key: ONE, Limits(), urgent.__contains__)
    queue = WorkQueue(Metrics().queue("things"), waiting=inner)
    for number in range(10):
        queue.add(key("a", number))
    urgent.add(key("a", 9))
    queue.add(key("a", 9))
    assert [await queue.get() for _ in range(2)] == [key("a", 0), key("a", 9)]
    queue.add(key("a", 9))
    assert len(queue) == 8


async def test_a_worker_waits_though_a_full_engine_has_keys() -> None:
    """It is woken by a key of another engine, and by room in the full one."""
    queue = WorkQueue(Metrics().queue("things"), waiting=engines(per_engine=1))
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
    """Eight workers on three engines: each key is worked on once, within each engine's limit."""
    queue = WorkQueue(Metrics().queue("things"), waiting=engines(per_engine=2))
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


async def test_room_for_several_keys_wakes_several_workers() -> None:
    """Where one key that comes back ends what held others up, no worker sleeps on."""
    queue = WorkQueue(Metrics().queue("things"), waiting=engines(per_engine=3))
    for number in range(5):
        queue.add(key("slow", number))
    queue.done(await queue.get(), held_up=True)
    first = await queue.get()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.done(first)
    async with asyncio.timeout(5):
        assert {await worker for worker in workers} == {key("slow", n) for n in (2, 3, 4)}


def test_so_many_engines_are_known_to_be_held_up_and_no_more() -> None:
    """A tenant makes engines that do not answer and deletes them, under other names each time."""
    waiting = FairQueue(lambda key: key, Limits())
    for number in range(MOST_HELD_UP + 100):
        waiting.put(key("a", number))
        waiting.give_back(waiting.take(), held_up=True)
    assert len(waiting._held_up) == MOST_HELD_UP
    assert key("a", MOST_HELD_UP + 99) in waiting._held_up


def test_a_waiting_key_of_an_object_made_anew_waits_for_its_engine() -> None:
    """A key whose object is gone is of no engine. Once it has one, the engine's limit counts."""
    known = set[Key]()
    waiting = FairQueue(lambda key: ONE if key in known else key, Limits(per_engine=1))
    fill(waiting, "a", each=3)
    known.update(key("a", number) for number in range(3))
    for each in known:
        waiting.regroup(each)
    assert len(drain(waiting)) == 1


async def test_a_worker_is_woken_for_a_key_that_moves_to_an_idle_engine() -> None:
    """All workers wait, since the engine that it was of has its key out."""
    engine_of = dict.fromkeys((key("a", 0), key("a", 1)), "busy")
    waiting = FairQueue(engine_of.__getitem__, Limits(per_engine=1))
    queue = WorkQueue(Metrics().queue("things"), waiting=waiting)
    queue.add(key("a", 0))
    assert await queue.get() == key("a", 0)
    worker = asyncio.create_task(queue.get())
    queue.add(key("a", 1))
    await asyncio.sleep(0)
    engine_of[key("a", 1)] = "idle"
    queue.add(key("a", 1))
    async with asyncio.timeout(5):
        assert await worker == key("a", 1)
