"""Troubles that an engine serves in spite of are reported as long as they are known to be there."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from quiver.adapters.milvus1.reports import COLLECTIONS, report_in
from quiver.domain.conditions import Verdict
from quiver.domain.damage import DamagedSegments
from quiver.domain.kubernetes_types import Condition
from quiver.domain.reasons import Reason
from quiver.domain.troubles import (
    NO_REPORT,
    NOTHING_HEARD,
    EngineReport,
    Reports,
    trouble_conditions,
    with_trouble,
)

NOON, LATER = (datetime(2024, 5, 1, hour, tzinfo=UTC) for hour in (12, 13))
THREE = EngineReport(DamagedSegments(3, {"docs": 2, "images": 1}))
FULL = EngineReport(full_disk=10 * 2**30)
ON_CPU = EngineReport(why_no_gpu="FAISS finds no GPU")
READY = Verdict.ready("1 of 1 pod ready.")


def conditions_of(
    reports: Reports, *previous: Condition, now: datetime = NOON
) -> tuple[Condition, ...]:
    return trouble_conditions(reports, previous, 7, now)


def heard(*, wants_gpu: bool = True, **by_member: EngineReport) -> Reports:
    """Return what the members that are named, which are all, have said."""
    named = {name.replace("_", "-"): report for name, report in by_member.items()}
    return Reports(named, complete=True, wants_gpu=wants_gpu)


def answer(**changes: Any) -> str:
    sound = {
        "damaged": {"segments": 0, "collections": {}},
        "disk": {"full": False, "free": 1, "total": 2},
        "why_no_gpu": None,
    }
    return json.dumps(sound | changes)


def test_damage_is_told_by_member_and_collection() -> None:
    """With how many segments are left out, and what to do."""
    one = EngineReport(DamagedSegments(1, {}))
    (found,) = conditions_of(heard(engine_1=one, engine_0=THREE, engine_2=NO_REPORT))
    assert (found.type, found.status, found.reason) == ("DataDamaged", "True", "SegmentsDamaged")
    assert found.message.startswith(
        "Damaged segments: 4. engine-0 has 3 ('docs' 2, 'images' 1); engine-1 has 1."
    )
    assert "restore them from a backup" in found.message


def test_full_disks_are_told_by_member() -> None:
    """With their sizes and the cure; free bytes are not told, since they change all the time."""
    (found,) = conditions_of(heard(engine_1=FULL, engine_0=NO_REPORT))
    assert (found.type, found.status, found.reason) == ("DiskFull", "True", "DiskFull")
    assert found.message.startswith("The disk is full: engine-1 (10.0 GiB). Inserts and new")
    assert "kubectl edit pvc" in found.message


def test_pods_that_have_gpus_and_compute_on_the_cpu_are_told_with_the_reason() -> None:
    """Those of one reason together, and how to come to an image that can."""
    other = EngineReport(why_no_gpu="CUDA says: no driver")
    (found,) = conditions_of(heard(engine_0=ON_CPU, engine_1=other, engine_2=ON_CPU))
    assert (found.type, found.status, found.reason) == ("ComputesOnCPU", "True", "GPUUnused")
    assert found.message.startswith(
        "Pods that have GPUs compute on the CPU: engine-0, engine-2: FAISS finds no GPU; "
        "engine-1: CUDA says: no driver. To compute on GPUs, name an image"
    )
    assert "docs/engine-gpu.md" in found.message


def test_an_engine_that_asked_for_no_gpu_may_compute_on_the_cpu() -> None:
    """That is no trouble."""
    assert conditions_of(heard(wants_gpu=False, engine_0=ON_CPU)) == ()


@pytest.mark.parametrize("report", [THREE, FULL, ON_CPU])
def test_the_condition_stands_while_there_is_trouble(report: EngineReport) -> None:
    """Since it was found; it goes once every member has answered that it has none."""
    found = heard(engine_0=report)
    first = conditions_of(found)
    assert len(first) == 1
    assert conditions_of(found, *first, now=LATER) == first
    assert conditions_of(NOTHING_HEARD, *first) == first
    assert conditions_of(heard(engine_0=NO_REPORT), *first) == ()
    assert conditions_of(NOTHING_HEARD) == ()


def test_the_worst_trouble_is_the_reason_of_ready() -> None:
    """`kubectl get` shows it: a full disk before damage, damage before an idle GPU."""
    all_three = EngineReport(THREE.damaged, FULL.full_disk, ON_CPU.why_no_gpu)
    troubles = conditions_of(heard(engine_0=all_three))
    assert [c.type for c in troubles] == ["DiskFull", "DataDamaged", "ComputesOnCPU"]
    verdict = with_trouble(READY, troubles)
    assert (verdict.state, verdict.reason) == (READY.state, Reason.DISK_FULL)
    assert verdict.message.startswith("1 of 1 pod ready. The disk is full: engine-0")


def test_trouble_does_not_hide_why_an_engine_is_not_ready() -> None:
    """What keeps it from serving, or that it has no pods, comes first."""
    troubles = conditions_of(heard(engine_0=FULL))
    starting = Verdict.reconciling(Reason.STARTING, "0 of 1 pod ready.")
    assert with_trouble(starting, troubles) == starting
    assert with_trouble(READY, ()) == READY


def test_a_report_is_read() -> None:
    """Each of its parts."""
    text = answer(
        damaged={"segments": 3, "collections": {"docs": 2}},
        disk={"full": True, "free": 5, "total": 2**40},
        why_no_gpu="FAISS finds no GPU",
    )
    report = EngineReport(DamagedSegments(3, {"docs": 2}), 2**40, "FAISS finds no GPU")
    assert report_in(text) == report
    assert report_in(answer()) == NO_REPORT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown command 'report': this engine knows version",
        "[]",
        "3",
        answer(damaged={"segments": -1, "collections": {}}),
        answer(damaged={"segments": 1, "collections": {"docs": "many"}}),
        answer(disk={"full": 1, "total": 2}),
        answer(disk={"full": True, "total": -2}),
        answer(why_no_gpu=3),
        '{"damaged": {"segments": 1e400, "collections": {}}}',
        '{"damaged": {"segments": ' + "9" * 1000 + ', "collections": {}}}',
        '{"damaged": ' + "[" * 10_000,
        answer() + " " * 100_000,
    ],
)
def test_what_is_no_answer_is_no_trouble(text: str) -> None:
    """Other servers do not know the question, and some answer anything."""
    assert report_in(text) is NO_REPORT


def test_a_hostile_answer_is_cut_and_cleaned() -> None:
    """Names with line breaks, long ones and many of them fit one line of the status."""
    names = {f"{n}\n\x1b[31m{'x' * 1000}": 1 for n in range(50)}
    text = answer(
        damaged={"segments": 2**31, "collections": names},
        disk={"full": True, "total": 2**63 - 1},
        why_no_gpu="\n\x1b[31m" + "x" * 1000,
    )
    found = report_in(text)
    assert (found.damaged.total, len(found.damaged.by_collection)) == (2**31, COLLECTIONS)
    members = {
        f"member-{n}": found._replace(why_no_gpu=f"{n} {found.why_no_gpu}") for n in range(64)
    }
    told = conditions_of(Reports(members, complete=True, wants_gpu=True))
    assert len(told) == 3
    for condition in told:
        assert condition.message.isprintable()
        assert len(condition.message) <= 4096
        assert condition.message.endswith(".")
