"""Writes a verdict into an object's status: at most one write, and none if nothing changed."""

from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from quiver.domain.conditions import Verdict, conditions_for
from quiver.domain.kubernetes_types import Condition, Kind, Manifest, Struct
from quiver.domain.reasons import Reason
from quiver.ports.kubernetes import Objects
from quiver.reconcile.result import Result


def status_patch(status: Struct, before: Struct) -> Manifest:
    """Return the merge patch that turns the status `before` into `status`. It removes fields that
    are no longer set, nested ones too.
    """
    return {
        encoded: _merging(plain(getattr(status, name)), plain(getattr(before, name)))
        for name, encoded in _fields(type(status))
    }


async def report_invalid_spec(
    kind: Kind, manifest: Manifest, error: msgspec.ValidationError, objects: Objects, now: datetime
) -> Result:
    """Report that the object cannot be decoded. It may have been stored under a looser CRD."""
    generation = manifest["metadata"].get("generation", 0)
    before = manifest.get("status", {}).get("conditions", [])
    previous = msgspec.convert(before, tuple[Condition, ...])
    message = f"The object is not valid: {error}. Correct it; the CRDs of this version refuse it."
    conditions = conditions_for(
        Verdict.stalled(Reason.INVALID_SPEC, message),
        generation=generation,
        previous=previous,
        now=now,
    )
    if conditions != previous:
        status = {"observedGeneration": generation, "conditions": plain(conditions)}
        await objects.patch_status(kind, manifest, status)
    return Result.DONE


@cache
def _fields(status: type[Struct]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(status))


def _merging(wanted: Any, present: Any) -> Any:
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return wanted
    gone = {key: None for key in present if key not in wanted}
    return gone | {key: _merging(value, present.get(key)) for key, value in wanted.items()}


def plain(value: Any) -> Any:
    """Return the value as the types of JSON, as it is written into an object."""
    return msgspec.to_builtins(value)
