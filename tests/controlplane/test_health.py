"""What deployment tools see of an object in states that no other test brings about.

In every test here, each status that the operator writes is held against Argo CD's scripts and
kstatus (`support.statuses`).
"""

from typing import Any

import pytest

from quiver.domain.conditions import ready_message, ready_reason
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from quiver.domain.troubles import EngineReport
from quiver_proto import milvus_pb2 as pb
from support.fake_engine import FakeEngine
from support.faulty_engine import FaultyEngine, Proceed
from support.health import argo_health, kstatus
from support.namespaces import Namespace
from support.operators import running
from support.statuses import keep
from support.waiting import eventually

FINALIZERS = [f"example.org/hold-{number}" for number in range(33)]


async def test_an_object_that_no_operator_has_seen_is_progressing(fake_world: Namespace) -> None:
    """A tool that applied it waits, since the API server gives it Ready=Unknown."""
    engine = await fake_world.get("engine", VECTOR_ENGINE)
    for manifest in (await fake_world.create_collection("docs"), engine):
        keep(manifest)
        assert argo_health(manifest).status == "Progressing"
        assert kstatus(manifest) == "InProgress"


async def test_a_stale_status_is_no_health(fake_world: Namespace) -> None:
    """A change that no operator has seen yet is progressing, whatever the status says."""
    async with running(fake_world.operator_api, fake_world.engines):
        await fake_world.create_collection("docs")
        (before,) = await fake_world.ready("docs")
    assert argo_health(before).status == "Healthy"
    changed = await fake_world.patch("docs", {"spec": {"partitions": ["a"]}})
    assert changed["status"] == before["status"]
    assert argo_health(changed).status == "Progressing"
    assert kstatus(changed) == "InProgress"


async def test_an_object_that_cannot_be_read_is_degraded(fake_world: Namespace) -> None:
    """Nothing comes of waiting for it."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        spec = {"engineRef": {"name": "engine"}, "dimension": 8}
        await world.create(VECTOR_COLLECTION, "docs", spec, finalizers=FINALIZERS)
        assert argo_health(await world.settled("docs", "InvalidSpec")).status == "Degraded"
        await world.patch("docs", {"metadata": {"finalizers": None}})


async def test_a_full_disk_lets_what_serves_be_healthy(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """The engine serves on; a collection that cannot be created waits for room."""
    world = fake_world
    fake.report = EngineReport(full_disk=2**30)
    async with running(world.operator_api, world.engines):
        engine = await world.settled("engine", "DiskFull", VECTOR_ENGINE)
        assert argo_health(engine).status == "Healthy"
        await world.create_collection("docs")
        assert argo_health(await world.settled("docs", "DiskFull")).status == "Progressing"


@pytest.mark.parametrize(
    ("code", "health"),
    [(pb.ILLEGAL_ARGUMENT, "Degraded"), (pb.OUT_OF_MEMORY, "Progressing")],
    ids=["stalled", "reconciling"],
)
async def test_a_refusal_may_pass_or_stay(
    world: Namespace, code: pb.ErrorCode.ValueType, health: str
) -> None:
    """The same reason is Degraded where waiting does not help, and Progressing where it may."""

    async def lists_nothing(_proceed: Proceed, _context: Any) -> bytes:
        status = pb.Status(error_code=code, reason="no")
        return pb.CollectionNameList(status=status).SerializeToString()

    async with FaultyEngine(world.address) as faulty:
        endpoints = {"external": {"endpoints": [faulty.address]}}
        await world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
        faulty.spoil(lists_nothing, "ShowCollections")
        async with running(world.operator_api, world.engines, resync_period=0.5):
            engine = await world.settled("engine", "EngineRefused", VECTOR_ENGINE)
            assert argo_health(engine).status == health


async def test_an_object_that_goes_is_pending_deletion(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """Argo CD and kstatus say so by themselves, whatever holds it up."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        fake.up = False
        await world.delete("docs")
        held = await world.settled("docs", "EngineUnreachable")
        assert argo_health(held) == ("Progressing", "Pending deletion")
        assert kstatus(held) == "Terminating"
        fake.up = True
        await world.gone("docs")


async def test_an_object_that_others_hold_says_that_it_was_let_go(
    fake_world: Namespace, fake: FakeEngine
) -> None:
    """As under foreground deletion, where Kubernetes holds the object until what it has made is
    gone. The status is true as soon as Quiver's finalizer is gone, and another object may have the
    name.
    """
    world, hold = fake_world, FINALIZERS[:1]
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        (docs,) = await world.ready("docs")
        finalizers = [*docs["metadata"]["finalizers"], *hold]
        await world.patch("docs", {"metadata": {"finalizers": finalizers}})
        await world.delete("docs")

        async def is_let_go() -> bool:
            found = await world.get("docs")
            is_ours_gone = found["metadata"]["finalizers"] == hold
            assert not is_ours_gone or ready_reason(found) == "Released"
            return is_ours_gone

        await eventually(is_let_go, "Quiver's finalizer is gone")
        released = await world.get("docs")
        assert ready_message(released).startswith("Dropped collection 'docs' and its vectors.")
        assert set(fake.collections) == set()
        assert argo_health(released) == ("Progressing", "Pending deletion")
        await world.look_now("docs")
        await world.create_collection("again", collectionName="docs")
        await world.ready("again")
        assert (await world.get("docs"))["status"] == released["status"]
        await world.delete("again")
        await world.gone("again")
        await world.patch("engine", {"metadata": {"finalizers": hold}}, VECTOR_ENGINE)
        await world.delete("engine", VECTOR_ENGINE)
        await world.settled("engine", "Dropping", VECTOR_ENGINE)
        for name, kind in (("docs", VECTOR_COLLECTION), ("engine", VECTOR_ENGINE)):
            await world.patch(name, {"metadata": {"finalizers": None}}, kind)
            await world.gone(name, kind)
