"""Troubles of an engine that serves in spite of them: a condition for each, beside Ready."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from quiver.domain.conditions import MESSAGE_LIMIT, Verdict, timestamp
from quiver.domain.damage import NO_DAMAGE, DamagedSegments, damage_message
from quiver.domain.kubernetes_types import Condition, find_condition
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line

_DISK_CURE = (
    " Inserts and new collections are refused there, searches go on. Enlarge the volume (kubectl "
    "edit pvc; its StorageClass must allow it), or drop collections or partitions."
)
_GPU_CURE = (
    " To compute on GPUs, name an image that has FAISS for GPUs in spec.image; docs/engine-gpu.md "
    "of Quiver says how to make one. To leave the GPUs to other pods, take spec.gpu out."
)


class EngineReport(NamedTuple):
    """What a server says of itself. `full_disk` is the size of its disk in bytes, if that is full.
    `why_no_gpu` says why it computes on the CPU. Both are None too if the server does not tell.
    """

    damaged: DamagedSegments = NO_DAMAGE
    full_disk: int | None = None
    why_no_gpu: str | None = None


NO_REPORT = EngineReport()


class Reports(NamedTuple):
    """What the members that answered say, by their names. `complete` tells whether all members have
    answered. `wants_gpu` tells whether they are pods that were given GPUs.
    """

    by_member: Mapping[str, EngineReport]
    complete: bool
    wants_gpu: bool = False


NOTHING_HEARD = Reports({}, complete=False)


def full_disks(reports: Reports) -> dict[str, bool]:
    """Return, of each member that answered, whether its disk is full."""
    return {name: report.full_disk is not None for name, report in reports.by_member.items()}


def _full_disks(reports: Reports) -> str | None:
    full = {m: r.full_disk for m, r in reports.by_member.items() if r.full_disk is not None}
    each = ", ".join(f"{member} ({full[member] / 2**30:.1f} GiB)" for member in sorted(full))
    return _with_cure(f"The disk is full: {each}.", _DISK_CURE) if full else None


def _damage(reports: Reports) -> str | None:
    found = {m: r.damaged for m, r in reports.by_member.items() if r.damaged.total}
    return damage_message(found) if found else None


def _idle_gpus(reports: Reports) -> str | None:
    if not reports.wants_gpu:
        return None
    whys: dict[str, list[str]] = {}
    for member, report in sorted(reports.by_member.items()):
        if report.why_no_gpu is not None:
            whys.setdefault(report.why_no_gpu, []).append(member)
    each = "; ".join(f"{', '.join(members)}: {why}" for why, members in whys.items())
    told = f"Pods that have GPUs compute on the CPU: {each}."
    return _with_cure(told, _GPU_CURE) if whys else None


def _with_cure(text: str, cure: str) -> str:
    return one_line(text, MESSAGE_LIMIT - len(cure)) + cure


class Trouble(NamedTuple):
    """A condition that stands while `message` finds something in the reports."""

    type: str
    reason: Reason
    message: Callable[[Reports], str | None]


TROUBLES = (
    Trouble("DiskFull", Reason.DISK_FULL, _full_disks),
    Trouble("DataDamaged", Reason.SEGMENTS_DAMAGED, _damage),
    Trouble("ComputesOnCPU", Reason.GPU_UNUSED, _idle_gpus),
)
"""The most urgent first."""
TYPES = tuple(trouble.type for trouble in TROUBLES)


def trouble_conditions(
    reports: Reports, previous: tuple[Condition, ...], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return a condition for each trouble that is there, or that a silent member may have still."""
    return tuple(_standing(reports, previous, generation, now))


def _standing(
    reports: Reports, previous: tuple[Condition, ...], generation: int, now: datetime
) -> Iterator[Condition]:
    for trouble in TROUBLES:
        message, before = trouble.message(reports), find_condition(previous, trouble.type)
        if message is not None:
            since = before.last_transition_time if before is not None else None
            yield Condition(
                type=trouble.type,
                status="True",
                reason=trouble.reason,
                message=message,
                last_transition_time=since or timestamp(now),
                observed_generation=generation,
            )
        elif before is not None and not reports.complete:
            yield before


def with_trouble(verdict: Verdict, troubles: tuple[Condition, ...]) -> Verdict:
    """Return the verdict of an engine that is ready with the most urgent of its troubles as the
    reason: `kubectl get` shows the reason of Ready alone.
    """
    if verdict.reason is not Reason.AVAILABLE or not troubles:
        return verdict
    worst = troubles[0]
    reason = next(trouble.reason for trouble in TROUBLES if trouble.type == worst.type)
    return verdict._replace(reason=reason, message=f"{verdict.message} {worst.message}")
