"""Turns a verdict into kstatus conditions: Ready always, Reconciling and Stalled while true."""

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from quiver.domain.kubernetes_types import Condition, Manifest, find_condition
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line

MESSAGE_LIMIT = 4096
"""Characters; well below the 32,768 that the CRDs allow, since users read statuses."""


class State(Enum):
    READY = "Ready"
    RECONCILING = "Reconciling"
    """Quiver is at work, or waits for something that can happen without a change to this object."""
    STALLED = "Stalled"
    """Waiting does not help: a user has to change something."""
    SUSPENDED = "Suspended"
    """The user has suspended the object. Ready keeps its last status, if it had one."""


class Verdict(NamedTuple):
    """The state of an object, with the reason and message that its conditions carry."""

    state: State
    reason: Reason
    message: str

    @classmethod
    def ready(cls, message: str) -> "Verdict":
        return cls(State.READY, Reason.AVAILABLE, message)

    @classmethod
    def reconciling(cls, reason: Reason, message: str) -> "Verdict":
        return cls(State.RECONCILING, reason, message)

    @classmethod
    def stalled(cls, reason: Reason, message: str) -> "Verdict":
        return cls(State.STALLED, reason, message)


def conditions_for(
    verdict: Verdict, *, generation: int, previous: tuple[Condition, ...], now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions for `verdict`.

    The transition time of a condition changes only when its status does.
    """
    statuses = {"Ready": "True" if verdict.state is State.READY else "False"}
    if verdict.state is not State.READY:
        statuses[verdict.state.value] = "True"
    kept = find_condition(previous, "Ready") if verdict.state is State.SUSPENDED else None
    if kept is not None and kept.status == "Unknown":
        kept = None
    if kept is not None:
        del statuses["Ready"]
    conditions = tuple(
        _condition(type_, status, verdict, generation, _since(previous, type_, status, now))
        for type_, status in statuses.items()
    )
    return conditions if kept is None else (kept, *conditions)


def ready_status(manifest: Manifest) -> str:
    """Return the status of an object's Ready condition: True, False or Unknown."""
    return str(_ready(manifest).get("status", "Unknown"))


def ready_reason(manifest: Manifest) -> str:
    """Return the reason of an object's Ready condition; empty if it has no such condition."""
    return str(_ready(manifest).get("reason", ""))


def ready_message(manifest: Manifest) -> str:
    """Return the message of an object's Ready condition; empty if it has no such condition."""
    return str(_ready(manifest).get("message", ""))


def _ready(manifest: Manifest) -> Manifest:
    return _condition_of(manifest, "Ready")


def is_true(manifest: Manifest, type_: str) -> bool:
    """Tell whether the object has such a condition, and it is True."""
    return _condition_of(manifest, type_).get("status") == "True"


def _condition_of(manifest: Manifest, type_: str) -> Manifest:
    conditions = manifest.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c.get("type") == type_), {})


def _condition(type_: str, status: str, verdict: Verdict, generation: int, since: str) -> Condition:
    return Condition(
        type=type_,
        status="True" if status == "True" else "False",
        reason=verdict.reason.value,
        message=one_line(verdict.message, MESSAGE_LIMIT),
        last_transition_time=since,
        observed_generation=generation,
    )


def _since(previous: tuple[Condition, ...], type_: str, status: str, now: datetime) -> str:
    before = find_condition(previous, type_)
    if before is not None and before.status == status and before.last_transition_time:
        return before.last_transition_time
    return timestamp(now)


def timestamp(now: datetime) -> str:
    """Return the time as conditions carry it."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
