"""The operator is killed between any two of its writes, shown the past, or not told what happened.

Each time object, engine and Secrets end as in a run that nothing disturbs. The same for partitions
alone, with a real engine, stands in test_crashes.py.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from quiver.app import Operator
from quiver.domain.collections import CollectionSchema
from quiver.domain.kubernetes_types import (
    SECRET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.ports.api import Listing
from support.fake_engine import FakeEngine
from support.interruptions import Powers, essence, powered
from support.namespaces import Namespace
from support.operators import looked, running
from support.stale_watch import Feed, PastApi
from support.waiting import eventually

HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF: Manifest = {"type": "IVF_FLAT", "params": {"nlist": 64}}
NO_HNSW = dict.fromkeys(HNSW["params"])
FULL: Manifest = {"partitions": ["a", "b"], "index": HNSW, "binding": {"secretName": "{name}-one"}}


@dataclass(frozen=True)
class Case:
    """A kind of reconcile: the steps that lead from one spec to another.

    `before` is None where the object is new, `patch` where it is deleted. `found` is there on the
    engine already.
    """

    steps: list[str]
    before: Manifest | None
    patch: Manifest | None = None
    found: bool = False
    spec: Manifest = field(default_factory=dict)


CASES = {
    "create": Case(
        [
            "patch object",
            "create",
            "create_partition",
            "create_partition",
            "set_index",
            "apply Secret",
            "patch status",
            "patch status",
        ],
        None,
        spec=FULL,
    ),
    "adopt": Case(
        ["patch object", "create_partition", "set_index", "patch status", "patch status"],
        None,
        spec={"adoptionPolicy": "IfIdentical", "partitions": ["a"], "index": HNSW},
        found=True,
    ),
    "update": Case(
        [
            "create_partition",
            "drop_partition",
            "set_index",
            "apply Secret",
            "delete Secret",
            "patch status",
            "patch status",
        ],
        FULL,
        {
            "partitions": ["b", "c"],
            "index": {"type": "IVF_FLAT", "params": NO_HNSW | IVF["params"]},
            "binding": {"secretName": "{name}-two"},
        },
    ),
    "take away": Case(
        ["drop_partition", "drop_partition", "set_index", "delete Secret", "patch status"],
        FULL,
        {"partitions": None, "index": None, "binding": None},
    ),
    "rename the binding": Case(
        ["apply Secret", "delete Secret", "patch status"],
        FULL,
        {"binding": {"secretName": "{name}-two"}},
    ),
    "suspend": Case(["patch status"], FULL, {"suspend": True}),
    "delete": Case(["drop", "patch object"], FULL),
    "delete, retained": Case(["patch object"], FULL | {"deletionPolicy": "Retain"}),
    "delete, if empty": Case(["drop", "patch object"], FULL | {"deletionPolicy": "DeleteIfEmpty"}),
}


def named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: named(each, name) for key, each in value.items()}
    return value.replace("{name}", name) if isinstance(value, str) else value


async def prepare(world: Namespace, case: Case, names: list[str]) -> None:
    """Bring about what is there before the change."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        for name in names:
            if case.found:
                await world.engine.create(
                    CollectionSchema(name=name, dimension=8, index_file_size=1024, metric_type="L2")
                )
            if case.before is not None:
                await world.create_collection(name, **named(case.before, name))
        if case.before is not None:
            await world.ready(*names)


async def change(world: Namespace, case: Case, name: str) -> None:
    if case.before is None:
        await world.create_collection(name, **named(case.spec, name))
    elif case.patch is None:
        await world.delete(name)
    else:
        await world.patch(name, {"spec": named(case.patch, name)})


async def done(world: Namespace, case: Case, name: str) -> None:
    """Wait until the operator has nothing left to do for the object."""
    if case.patch is None and case.before is not None:
        await world.gone(name)
    elif case.patch == {"suspend": True}:
        await suspended(world, name)
    else:
        await world.ready(name)


async def suspended(world: Namespace, name: str) -> None:
    async def holds() -> bool:
        conditions = (await world.get(name))["status"]["conditions"]
        return any(c["type"] == "Suspended" for c in conditions)

    await eventually(holds, f"{name} is suspended")


async def end(world: Namespace, name: str) -> Any:
    """Return the object, its collection and its Secrets, as far as they must be alike."""
    manifest, found = await world.find(name), await world.engine.describe(name)
    secrets = {n: await world.find(f"{name}-{n}", SECRET) for n in ("one", "two")}
    state = (
        None if manifest is None else essence(manifest),
        found and (found.schema.dimension, sorted(found.partitions)),
        found and msgspec.to_builtins(await world.engine.describe_index(name)),
        # The garbage collector takes them in its own time.
        None if manifest is None else {n: s and sorted(s["data"]) for n, s in secrets.items()},
    )
    return named_back(state, name)


def named_back(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: named_back(each, name) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(named_back(each, name) for each in value)
    return value.replace(name, "{name}") if isinstance(value, str) else value


@pytest.mark.parametrize("what", CASES)
async def test_a_crash_after_any_write_changes_nothing_in_the_end(
    fake_world: Namespace, what: str
) -> None:
    """Killed after the k-th write, for every k, it has a successor that comes to the same end."""
    world, case = fake_world, CASES[what]
    cuts: dict[str, int | None] = {f"cut{number}": number for number in range(len(case.steps))}
    await prepare(world, case, ["whole", *cuts])
    powers = Powers(whole=None, **cuts)
    async with powered(world, powers):
        for name in ("whole", *cuts):
            await change(world, case, name)
        for name in cuts:
            await asyncio.wait_for(powers.of[name].out.wait(), 30)
        await done(world, case, "whole")
    assert powers.of["whole"].steps == case.steps
    expected = await end(world, "whole")
    async with running(world.operator_api, world.engines):
        for name in cuts:
            await done(world, case, name)
    for name, number in cuts.items():
        assert powers.of[name].steps == case.steps[:number]
        assert await end(world, name) == expected, f"killed after {case.steps[:number]}"


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
        expected = [await end(world, name) for name in ("shrunk", "grown")]
    await in_the_past(world, past)
    async with running(world.operator_api, world.engines):
        await world.ready("shrunk", "grown")
    assert [await end(world, name) for name in ("shrunk", "grown")] == expected


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
            await change(world, case, name)
        for name in ("told", "untold"):
            await done(world, case, name)
    assert await end(world, "untold") == await end(world, "told")


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
        await world.delete("late", VECTOR_ENGINE)
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
