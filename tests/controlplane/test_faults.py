"""What is around the operator fails: engines, the API server, other writers. Nothing is lost, the
conditions say what is the matter, and all ends well once the fault is gone.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest

from localcluster import ControlPlane
from machine.engine_process import EngineProcess
from quiver.adapters.drivers import Drivers
from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.app import Operator
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import ApiUnavailable
from quiver_proto import milvus_pb2 as pb
from support.admin_api import connected
from support.faulty_engine import (
    Fault,
    FaultyEngine,
    fails_with,
    loses_the_answer,
    never_answers,
    once,
    refuses,
    repeats_itself,
)
from support.installation import install
from support.namespaces import Namespace, ready_condition
from support.operators import all_reconciled, running
from support.waiting import eventually

UNREACHABLE = "EngineUnreachable"


class CountingEngines:
    """Counts the collections that were created, by name: a refused call creates none."""

    def __init__(self, engines: Engines) -> None:
        self.created: Counter[str] = Counter()
        self._engines = engines

    def at(self, target: Target) -> Any:
        return _CountingEngine(self._engines.at(target), self.created)


class _CountingEngine:
    def __init__(self, client: EngineClient, created: Counter[str]) -> None:
        self._client = client
        self._created = created

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, schema: CollectionSchema, properties: Mapping[str, str]) -> None:
        await self._client.create(schema, properties)
        self._created[schema.name] += 1


class PatchInterceptor:
    """The operator's API client, which does something before it patches a world's collection.

    Other worlds' collections, which are still being cleared up, are none of its business.
    """

    def __init__(
        self, world: Namespace, before: Callable[[str, Manifest], Awaitable[None]]
    ) -> None:
        """`before` is given the collection's name and the patch."""
        self._api = world.operator_api
        self._namespace = world.namespace
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def patch(self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = "") -> Any:
        if (kind, key.namespace) == (VECTOR_COLLECTION, self._namespace):
            await self._before(key.name, patch)
        return await self._api.patch(kind, key, patch, subresource=subresource)


@pytest.fixture
async def faulty(world: Namespace) -> AsyncIterator[FaultyEngine]:
    """The world's engine behind a proxy, as VectorEngine `faulty`."""
    async with FaultyEngine(world.address) as engine:
        endpoints = {"endpoints": [engine.address]}
        await world.create(VECTOR_ENGINE, "faulty", {"external": endpoints})
        yield engine


@pytest.fixture
async def impatient() -> AsyncIterator[Milvus1Engines]:
    """The driver with short deadlines, so that a silent engine does not cost minutes."""
    engines = Milvus1Engines(Deadlines(0.5, 0.5))
    yield engines
    await engines.close()


async def create_on_faulty(world: Namespace, name: str, **spec: Any) -> None:
    await world.create_collection(name, engineRef={"name": "faulty"}, **spec)


def types(manifest: Manifest) -> set[str]:
    return {condition["type"] for condition in manifest["status"]["conditions"]}


def message(manifest: Manifest) -> str:
    said: str = ready_condition(manifest)["message"]
    return said


async def more_reconciles(operator: Operator, number: int) -> None:
    """Wait until the operator has looked at collections `number` times more."""

    def ended() -> float:
        name, labels = (
            "controller_runtime_reconcile_time_seconds_count",
            {"controller": "vectorcollection"},
        )
        return operator.metrics.registry.get_sample_value(name, labels) or 0

    goal = ended() + number

    async def reached() -> bool:
        return ended() >= goal

    await eventually(reached, f"{number} more reconciles")


async def test_nothing_is_lost_while_the_engine_is_down(
    world: Namespace, engine_process: EngineProcess
) -> None:
    """Made, changed and deleted meanwhile: each object says why it waits, and gets its due."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        for name in ("changed", "deleted", "untouched"):
            await world.create_collection(name, partitions=["a"])
        await world.ready("changed", "deleted", "untouched")
        engine_process.kill()
        await world.create_collection("new")
        await world.patch("changed", {"spec": {"partitions": ["b"]}})
        await world.delete("deleted")
        for name in ("new", "changed", "deleted"):
            waiting = await world.settled(name, UNREACHABLE)
            assert f"{world.address} cannot be reached: connection refused" in message(waiting)
            assert "rying again" in message(waiting)
            assert types(waiting) == {"Ready", "Reconciling"}
        await asyncio.to_thread(engine_process.start)
        await world.ready("new", "changed", "untouched")
        await world.gone("deleted")
    assert await world.engine.list_collections() == {"new", "changed", "untouched"}
    changed = await world.engine.describe("changed")
    assert changed is not None
    assert changed.partitions == {"b"}


async def test_a_deletion_that_waits_for_its_engine_names_the_way_out(
    world: Namespace, engine_process: EngineProcess, impatient: Milvus1Engines
) -> None:
    """With deletionPolicy Retain the object goes though the engine is down."""
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        engine_process.kill()
        await world.delete("docs")
        waiting = await world.settled("docs", UNREACHABLE)
        assert "set deletionPolicy to Retain" in message(waiting)
        await world.patch("docs", {"spec": {"deletionPolicy": "Retain"}})
        await world.gone("docs")
    await asyncio.to_thread(engine_process.start)
    assert await impatient.at(Target(world.address, "Quiver")).list_collections() == {"docs"}


async def test_an_engine_that_never_answers_holds_up_nobody_else(
    world: Namespace, faulty: FaultyEngine, impatient: Milvus1Engines
) -> None:
    """More collections wait for it than there are workers, and another engine's are Ready."""
    faulty.spoil(never_answers)
    waiting = [f"waits{number}" for number in range(12)]
    async with running(world.operator_api, impatient):
        for name in waiting:
            await create_on_faulty(world, name)
        await world.create_collection("docs")
        await world.ready("docs")
        for name in waiting:
            said = await world.settled(name, UNREACHABLE)
            assert f"{faulty.address} did not answer" in message(said)
        faulty.heal()
        await world.ready(*waiting)


async def test_the_status_stays_as_it_is_while_nothing_but_time_passes(
    world: Namespace, faulty: FaultyEngine, impatient: Milvus1Engines
) -> None:
    """A silent engine is asked again and again, and the object is written once."""
    faulty.spoil(never_answers)
    async with running(world.operator_api, impatient) as operator:
        await create_on_faulty(world, "docs")
        before = await world.settled("docs", UNREACHABLE)
        await more_reconciles(operator, 4)
        after = await world.get("docs")
    assert message(after) == message(before)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_an_unexpected_error_is_tried_again(world: Namespace, faulty: FaultyEngine) -> None:
    """The engine's words stand in the condition until the call succeeds."""
    faulty.spoil(refuses(pb.UNEXPECTED_ERROR, "the disk is full"), "CreateCollection")
    async with running(world.operator_api, world.engines):
        await create_on_faulty(world, "docs")
        refused = await world.settled("docs", "EngineRefused")
        assert "the disk is full (UNEXPECTED_ERROR)" in message(refused)
        assert types(refused) == {"Ready", "Reconciling"}
        faulty.heal()
        await world.ready("docs")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (refuses(pb.ILLEGAL_DIMENSION, "dimension is too large"), "dimension is too large"),
        (fails_with(grpc.StatusCode.UNIMPLEMENTED), "does not speak the Milvus 1.x protocol"),
    ],
)
async def test_a_refusal_that_waiting_cannot_mend_stalls(
    world: Namespace, faulty: FaultyEngine, fault: Fault, words: str
) -> None:
    """The object says so in the engine's words, and goes when it is deleted."""
    faulty.spoil(fault, "CreateCollection")
    async with running(world.operator_api, world.engines):
        await create_on_faulty(world, "docs")
        stalled = await world.settled("docs", "EngineRefused")
        assert words in message(stalled)
        assert types(stalled) == {"Ready", "Stalled"}
        await world.delete("docs")
        await world.gone("docs")


async def test_a_call_whose_answer_is_lost_is_not_done_twice(
    world: Namespace, faulty: FaultyEngine
) -> None:
    """Create, partition and drop take effect though their answers are lost: all ends well."""
    changing = ("CreateCollection", "CreatePartition", "DropCollection")
    for method in changing:
        faulty.spoil(once(loses_the_answer), method)
    async with running(world.operator_api, world.engines):
        await create_on_faulty(world, "docs", partitions=["a"])
        await world.ready("docs")
        found = await world.engine.describe("docs")
        assert found is not None
        assert found.partitions == {"a"}
        await world.delete("docs")
        await world.gone("docs")
    assert await world.engine.list_collections() == frozenset()
    assert {method: faulty.calls[method] for method in changing} == dict.fromkeys(changing, 1)


async def test_a_create_that_takes_effect_after_its_deadline_does_no_harm(
    world: Namespace, faulty: FaultyEngine
) -> None:
    """The collection turns up between the operator's look and its second attempt, and is ours."""
    faulty.spoil(once(repeats_itself), "CreateCollection")
    async with running(world.operator_api, world.engines):
        await world.settled_engine("faulty")
        await create_on_faulty(world, "docs")
        await world.ready("docs")


async def test_an_object_that_others_change_meanwhile_is_tried_again_quietly(
    world: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of the operator's writes finds the object changed once, and nobody is alarmed."""
    attempts: Counter[str] = Counter()

    async def meddle(name: str, patch: Manifest) -> None:
        part = "status" if "status" in patch else "object"
        attempts[part] += 1
        if attempts[part] == 1:
            await world.patch(name, {"metadata": {"labels": {"touched": part}}})

    async with running(PatchInterceptor(world, meddle), world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
    assert min(attempts["object"], attempts["status"]) >= 2
    alarms = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert [alarm for alarm in alarms if world.namespace in alarm] == []
    assert await world.engine.list_collections() == {"docs"}


async def test_two_operators_at_once_do_everything_once(world: Namespace) -> None:
    """As for a moment after a lease was lost: each collection is created once, none is left."""
    engines = CountingEngines(world.engines)
    names = [f"docs{number}" for number in range(10)]
    async with (
        running(world.operator_api, engines),
        running(world.operator_api, engines),
    ):
        await asyncio.gather(*(world.create_collection(name) for name in names))
        await world.ready(*names)
        assert engines.created == dict.fromkeys(names, 1)
        await asyncio.gather(*(world.delete(name) for name in names))
        for name in names:
            await world.gone(name)
    assert engines.created == dict.fromkeys(names, 1)
    assert await world.engine.list_collections() == frozenset()


async def test_a_write_that_fails_is_tried_again_without_an_event(world: Namespace) -> None:
    """The API server is away just when the finalizer is to be taken off."""
    failed: list[str] = []

    async def fail_once(name: str, patch: Manifest) -> None:
        releases = patch.get("metadata", {}).get("finalizers", ...) is None
        if releases and not failed:
            failed.append(name)
            raise ApiUnavailable("the API server did not answer within 10 s")

    async with running(PatchInterceptor(world, fail_once), world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert failed == ["docs"]


async def test_many_collections_at_once_all_end_right(world: Namespace) -> None:
    """60 are applied, and 20 of them deleted while the others are still being made."""
    names = [f"docs{number}" for number in range(60)]
    kept, dropped = names[20:], names[:20]
    async with running(world.operator_api, world.engines):
        await asyncio.gather(*(world.create_collection(name) for name in names))
        await asyncio.gather(*(world.delete(name) for name in dropped))
        await world.ready(*kept)
        for name in dropped:
            await world.gone(name)
    assert await world.engine.list_collections() == set(kept)


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane that a test may break."""
    with ControlPlane(tmp_path / "control-plane") as plane:
        yield plane


async def test_the_operator_outlives_a_restart_of_the_api_server(
    own_plane: ControlPlane, engine_process: EngineProcess, engines: Drivers
) -> None:
    """What comes after it is seen, and what went while the watch was broken is missed."""
    operator_kubeconfig = await asyncio.to_thread(install, own_plane)
    async with (
        connected(own_plane.kubeconfig) as api,
        connected(operator_kubeconfig) as operator_api,
    ):
        address = engine_process.grpc_address
        world = Namespace("default", api, operator_api, engines, address)
        for name in ("engine", "other"):
            await world.create(VECTOR_ENGINE, name, {"external": {"endpoints": [address]}})
        async with running(operator_api, engines) as operator:
            await world.create_collection("before")
            await world.create_collection("orphan", engineRef={"name": "other"})
            await world.ready("before", "orphan")
            await all_reconciled(operator, 4)
            await asyncio.to_thread(own_plane.stop_apiserver)
            await asyncio.to_thread(own_plane.start_apiserver)
            await world.give_up_engine("other")
            await world.create_collection("after")
            await world.ready("after", "before")
            await world.settled("orphan", "EngineNotFound")
