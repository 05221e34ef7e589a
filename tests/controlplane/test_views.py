"""The operator is shown the past, or not told what happened.

Each time object and engine end as in a run that nothing disturbs.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quiver.app import Operator
from quiver.domain.kubernetes_types import (
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
)
from quiver.ports.api import Listing
from support.fake_engine import FakeEngine
from support.namespaces import Namespace
from support.operators import looked, running
from support.reconcile_cases import CASES, HNSW, apply_change, finished, outcome, prepare
from support.stale_watch import Feed, PastApi
from support.waiting import eventually


@pytest.fixture
def rewind(fake_world: Namespace) -> Callable[[], Awaitable[Listing]]:
    """Remember how the collections are now."""

    async def now() -> Listing:
        return await fake_world.api.list(VECTOR_COLLECTION)

    return now


async def in_the_past(world: Namespace, past: Listing) -> None:
    """Run an operator that is shown the past until it has acted on it, and then the present."""
    api = PastApi(world, past)
    async with running(api, world.engines) as operator:
        mine = {Key.of(m) for m in past.items if m["metadata"]["namespace"] == world.namespace}
        feed = Feed(operator, lambda kind, key: kind == VECTOR_COLLECTION and key in mine)
        await looked(operator, len(mine))
        await quiet(operator)
        api.over = True
        feed.release()
        await operator._resync.once()
        await quiet(operator)


async def quiet(operator: Operator) -> None:
    """Wait until nothing is being worked on."""

    async def holds() -> bool:
        value = operator.metrics.registry.get_sample_value
        waiting = value("workqueue_depth", {"name": "vectorcollection"})
        active = value("controller_runtime_active_workers", {"controller": "vectorcollection"})
        return not waiting and not active

    await eventually(holds, "nothing is being worked on")


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
async def test_an_object_that_is_gone_makes_nothing_again(
    fake_world: Namespace, fake: FakeEngine, rewind: Any, policy: str
) -> None:
    """Shown in an old list after it was deleted, it neither makes nor drops a collection."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", deletionPolicy=policy)
        await world.ready("docs")
        past = await rewind()
        await world.delete("docs")
        await world.gone("docs")
    before = set(fake.collections)
    await in_the_past(world, past)
    assert set(fake.collections) == before


async def test_a_change_of_mind_while_it_goes_is_not_overlooked(
    fake_world: Namespace, fake: FakeEngine, rewind: Any
) -> None:
    """An old list shows an object that is to be dropped; Retain was said since."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
    await world.delete("docs")
    past = await rewind()
    await world.patch("docs", {"spec": {"deletionPolicy": "Retain"}})
    await in_the_past(world, past)
    async with running(world.operator_api, world.engines):
        await world.gone("docs")
    assert set(fake.collections) == {"docs"}


async def test_what_has_been_changed_since_is_not_changed_back(
    fake_world: Namespace, rewind: Any
) -> None:
    """Shown a spec of the past, the operator makes no partition and drops none with vectors."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("shrunk", partitions=["a", "b"])
        await world.create_collection("grown", partitions=["a"])
        await world.ready("shrunk", "grown")
        past = await rewind()
        await world.patch("shrunk", {"spec": {"partitions": ["b"]}})
        await world.patch("grown", {"spec": {"partitions": ["a", "b"], "index": HNSW}})
        await world.ready("shrunk", "grown")
        expected = [await outcome(world, name) for name in ("shrunk", "grown")]
    await in_the_past(world, past)
    async with running(world.operator_api, world.engines):
        await world.ready("shrunk", "grown")
    assert [await outcome(world, name) for name in ("shrunk", "grown")] == expected


async def test_a_partition_put_back_on_the_list_keeps_its_vectors(
    fake_world: Namespace, fake: FakeEngine, rewind: Any
) -> None:
    """An old list has it taken off; it is back since, and nothing is dropped meanwhile."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a", "b"])
        await world.ready("docs")
    fake.insert("docs", 10, "a")
    await world.patch("docs", {"spec": {"partitions": ["b"]}})
    past = await rewind()
    await world.patch("docs", {"spec": {"partitions": ["a", "b"]}})
    await in_the_past(world, past)
    async with running(world.operator_api, world.engines):
        await world.ready("docs")
    assert fake.collections["docs"].rows["a"] == 10


async def test_an_object_made_anew_is_not_taken_for_its_predecessor(
    fake_world: Namespace, fake: FakeEngine, rewind: Any
) -> None:
    """An old list shows the predecessor being deleted; its successor's collection is kept."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
    await world.delete("docs")
    past = await rewind()
    async with running(world.operator_api, world.engines):
        await world.gone("docs")
        await world.create_collection("docs")
        await world.ready("docs")
        fake.insert("docs", 10)
    await in_the_past(world, past)
    assert fake.collections["docs"].rows == {"_default": 10}


def of(world: Namespace, *kinds: Kind) -> Callable[[Kind, Key], bool]:
    return lambda kind, key: kind in kinds and key.namespace == world.namespace


@pytest.mark.parametrize("what", [w for w in CASES if w != "adopt"])
async def test_events_that_are_lost_are_made_up_for(fake_world: Namespace, what: str) -> None:
    """No event of the objects arrives: the resync finds what is to be done."""
    world, case = fake_world, CASES[what]
    await prepare(world, case, ["told", "untold"])
    async with running(world.operator_api, world.engines, resync_period=0.5) as operator:
        Feed(operator, lambda _kind, key: key == Key(world.namespace, "untold"))
        for name in ("told", "untold"):
            await apply_change(world, case, name)
        for name in ("told", "untold"):
            await finished(world, case, name)
    assert await outcome(world, "untold") == await outcome(world, "told")


async def test_lost_events_of_an_engine_are_made_up_for(fake_world: Namespace) -> None:
    """That it came, changed and went is found out by the resync, and its collections follow."""
    world = fake_world
    async with running(world.operator_api, world.engines, resync_period=0.5) as operator:
        Feed(operator, of(world, VECTOR_ENGINE, VECTOR_COLLECTION))
        await world.create_collection("docs", engineRef={"name": "late"})
        await world.settled("docs", "EngineNotFound")
        endpoints = {"endpoints": [world.address]}
        await world.create(VECTOR_ENGINE, "late", {"external": endpoints})
        await world.ready("docs")
        await world.give_up_engine("late")
        await world.settled("docs", "EngineNotFound")
        await world.delete("docs")
        await world.gone("docs")


async def test_events_may_fold_into_the_last_one(fake_world: Namespace) -> None:
    """Created, changed and changed again: the operator is told once, of the last state."""
    world = fake_world
    async with running(world.operator_api, world.engines) as operator:
        await world.settled_engine()
        feed = Feed(operator, of(world, VECTOR_COLLECTION))
        await world.create_collection("docs", partitions=["a"], index=HNSW)
        await world.patch("docs", {"spec": {"partitions": ["a", "b"], "index": None}})
        last = await world.patch("docs", {"spec": {"partitions": ["b"]}})
        await feed.holds(last)
        feed.release()
        await world.ready("docs")
        found = await world.engine.describe("docs")
        assert found is not None
        assert found.partitions == {"b"}


async def test_deleted_and_made_anew_in_one_event(fake_world: Namespace, fake: FakeEngine) -> None:
    """Somebody takes the finalizer away and makes the object anew: the operator sees another uid,
    and the old collection is not the new object's.
    """
    world = fake_world
    async with running(world.operator_api, world.engines) as operator:
        await world.create_collection("docs")
        await world.ready("docs")
        fake.insert("docs", 10)
        feed = Feed(operator, of(world, VECTOR_COLLECTION))
        await world.delete("docs")
        await world.patch("docs", {"metadata": {"finalizers": None}})
        await world.gone("docs")
        anew = await world.create_collection("docs")
        await feed.holds(anew)
        feed.release()
        await world.settled("docs", "AlreadyExists")
        await world.delete("docs")
        await world.gone("docs")
    assert fake.collections["docs"].rows == {"_default": 10}
