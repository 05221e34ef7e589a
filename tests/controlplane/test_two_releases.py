"""Two releases in one cluster that reach the same objects."""

import asyncio
import re
from pathlib import Path

from machine.operator_process import OperatorProcess
from quiver.domain.kubernetes_types import STATEFUL_SET, VECTOR_ENGINE
from support.namespaces import Namespace
from support.release import Install, Release, leads
from support.standin_node import StandinNode
from support.tenants import Tenant
from support.waiting import eventually

OTHER_IMAGE = "registry.invalid/engine:2"


async def says(operator: OperatorProcess, words: str) -> None:
    await asyncio.to_thread(operator.wait_for, words)


async def counts(operator: OperatorProcess, other: Release, number: int) -> None:
    """Wait until the operator's metric has so many objects that it shares with the other's."""
    sample = f'quiver_operator_contended_objects{{operator="{other.namespace}"}} {number:.1f}'

    async def holds() -> bool:
        _, text = await asyncio.to_thread(operator.get, "/metrics")
        return sample in text

    await eventually(holds, f"the operator counts {number} objects of {other.namespace}")


async def looks(operator: OperatorProcess, controller: str) -> float:
    """Return how often the operator has looked at objects."""
    _, text = await asyncio.to_thread(operator.get, "/metrics")
    metric = "controller_runtime_reconcile_time_seconds_count"
    found = re.search(rf'{metric}{{controller="{controller}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


async def has_looked(operator: OperatorProcess, controller: str, times: float) -> None:
    async def holds() -> bool:
        return await looks(operator, controller) >= times

    await eventually(holds, f"the operator has looked {times:.0f} times")


async def test_the_second_release_leaves_all_to_the_first(
    releases: Install, managed: Namespace, node: StandinNode, tmp_path: Path
) -> None:
    """Though it would start other pods. Both say so, in log and metric, and the first goes on."""
    first = releases(resyncPeriod=1)
    second = releases(resyncPeriod=1, engineImage=OTHER_IMAGE)
    with first.operator(tmp_path / "first.log") as at_work:
        await leads(at_work)
        await managed.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})
        await managed.settled_engine()
        await managed.create_collection("docs")
        await managed.ready("docs")
        with second.operator(tmp_path / "second.log") as aside:
            await leads(aside)
            await says(aside, f"the operator of namespace {first.namespace} manages them")
            await says(at_work, f"also watched by the operator of namespace {second.namespace}")
            await counts(aside, first, 2)
            await counts(at_work, second, 1)
            await has_looked(aside, "vectorengine", await looks(aside, "vectorengine") + 5)
            stateful_set = await managed.get("engine", STATEFUL_SET)
            assert stateful_set["metadata"]["generation"] == 1
            await managed.create_collection("more")
            await managed.ready("docs", "more")
            for name in ("docs", "more"):
                await managed.delete(name)
                await managed.gone(name)


async def test_a_release_takes_over_when_it_is_told_to(
    releases: Install, world: Namespace, tmp_path: Path
) -> None:
    """What a release that is gone managed is left alone until then."""
    old = releases()
    with old.operator(tmp_path / "old.log") as gone:
        await leads(gone)
        await world.create_collection("docs")
        await world.ready("docs")
    waiting = releases(resyncPeriod=1)
    with waiting.operator(tmp_path / "waiting.log") as aside:
        await leads(aside)
        await says(aside, f"--take-over={old.namespace}")
    heir = Release(waiting.control_plane, waiting.namespace, {"takeOver": old.namespace})
    with heir.operator(tmp_path / "heir.log") as at_work:
        await leads(at_work)
        await world.create_collection("more")
        await world.ready("docs", "more")
        engine = await world.get("engine", VECTOR_ENGINE)
        assert engine["status"]["managedBy"] == heir.namespace


async def test_releases_that_overlap_in_part_do_not_write_against_each_other(
    releases: Install, world: Namespace, neighbour: Namespace, tmp_path: Path
) -> None:
    """One watches the engine and its guest, the other the guest alone: the first one reports."""
    await world.patch("engine", {"spec": {"allowedNamespaces": {"from": "All"}}}, VECTOR_ENGINE)
    narrow = releases(resyncPeriod=1, watchNamespaces=[neighbour.namespace])
    wide = releases(resyncPeriod=1)
    with narrow.operator(tmp_path / "narrow.log") as aside:
        await leads(aside)
        await neighbour.create_collection("guests")
        await neighbour.settled("guests", "EngineNotFound")
        with wide.operator(tmp_path / "wide.log") as at_work:
            await leads(at_work)
            await neighbour.ready("guests")
            await says(aside, f"the operator of namespace {wide.namespace} manages")
            await counts(aside, wide, 1)
            (before,) = await neighbour.ready("guests")
            for _ in range(3):
                seen = await looks(aside, "vectorcollection")
                await neighbour.look_now("guests")
                await has_looked(aside, "vectorcollection", seen + 1)
            (after,) = await neighbour.ready("guests")
            assert after["status"] == before["status"]


async def test_a_tenant_cannot_make_an_operator_stand_aside(
    world: Namespace, tenant: Tenant
) -> None:
    """Neither field can be written without the right to write statuses."""
    own = await tenant.with_engine(world, world.address)
    named = {"status": {"managedBy": tenant.namespace, "contendedBy": tenant.namespace}}
    await own.patch("engine", named, VECTOR_ENGINE)
    status = (await own.get("engine", VECTOR_ENGINE)).get("status", {})
    assert not {"managedBy", "contendedBy"} & status.keys()
