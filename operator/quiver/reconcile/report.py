"""Writes a verdict into an object's status: at most one write, and none if nothing changed."""

from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from quiver.domain.conditions import Verdict, conditions_for
from quiver.domain.data_loss import unacknowledged
from quiver.domain.ephemeral_data import DATA_EPHEMERAL
from quiver.domain.kubernetes_types import Condition, Kind, Manifest, Struct
from quiver.domain.outdated_pods import PODS_OUTDATED
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.domain.troubles import TYPES
from quiver.ports.clock import Clock
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Event, EventRecorder, Objects
from quiver.reconcile.result import Result

WORDS = 400
"""Characters of the API server's words in an event: what the status would say must fit too."""


class Reporter:
    """Reports on objects in their statuses; in events, where the API server refuses a status."""

    def __init__(self, objects: Objects, events: EventRecorder, clock: Clock) -> None:
        self._objects = objects
        self._events = events
        self._clock = clock

    def conditions(
        self, verdict: Verdict, *, generation: int, previous: tuple[Condition, ...]
    ) -> tuple[Condition, ...]:
        """Return the conditions for `verdict`, as of now."""
        return conditions_for(verdict, generation=generation, previous=previous, now=self.now())

    def now(self) -> datetime:
        return self._clock.now()

    async def write(self, kind: Kind, manifest: Manifest, patch: Manifest, why: Verdict) -> None:
        """Merge `patch` into the object's status. `why` is what it says.

        Raises: ApiError; ApiRefused once the refusal is published as an event.
        """
        try:
            await self._objects.patch_status(kind, manifest, patch)
        except ApiRefused as error:
            await self._events.record(manifest, _refused(error, why))
            raise

    async def tell(self, manifest: Manifest, event: Event) -> None:
        await self._events.record(manifest, event)

    async def invalid_spec(
        self, kind: Kind, manifest: Manifest, error: msgspec.ValidationError
    ) -> Result:
        """Report that the object cannot be decoded. It may have been stored under a looser CRD."""
        metadata = manifest["metadata"]
        generation = metadata.get("generation", 0)
        before = manifest.get("status", {}).get("conditions", [])
        previous = msgspec.convert(before, tuple[Condition, ...])
        message = (
            f"The object is not valid: {error}. Correct it; the CRDs of this version refuse it."
        )
        verdict = Verdict.stalled(Reason.INVALID_SPEC, message)
        conditions = (
            *self.conditions(verdict, generation=generation, previous=previous),
            *unacknowledged(previous, metadata.get("annotations", {})),
            *(c for c in previous if c.type in (*TYPES, DATA_EPHEMERAL, PODS_OUTDATED)),
        )
        if conditions != previous:
            status = {"observedGeneration": generation, "conditions": plain(conditions)}
            await self.write(kind, manifest, status, verdict)
        return Result.DONE


def _refused(error: ApiRefused, why: Verdict) -> Event:
    words = one_line(str(error), WORDS).rstrip(".")
    note = (
        f"The API server refused the status of this object: {words}. It would say: "
        f"{why.reason}: {why.message}"
    )
    return Event("Warning", "StatusRefused", "Report", note)


def status_patch(status: Struct, before: Struct) -> Manifest:
    """Return the merge patch that turns the status `before` into `status`. It removes fields that
    are no longer set, nested ones too.
    """
    return {
        encoded: _merging(plain(getattr(status, name)), plain(getattr(before, name)))
        for name, encoded in _fields(type(status))
    }


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
