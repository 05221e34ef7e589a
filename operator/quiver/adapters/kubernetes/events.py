"""Events beside the objects they are about, as `kubectl describe` shows them."""

import logging
import uuid
from socket import gethostname

from quiver.control.api import Api
from quiver.domain.objects import GROUP, Kind, Manifest
from quiver.ports.clock import Clock
from quiver.ports.errors import ApiError
from quiver.ports.kubernetes import Event

log = logging.getLogger(__name__)

EVENT = Kind("events.k8s.io", "v1", "events", "Event")
NOTE_LIMIT = 1024
"""Bytes; the API server refuses a longer note."""
NAME_LIMIT = 253


class ApiEventRecorder:
    """Implements `quiver.ports.kubernetes.EventRecorder`."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def record(self, regarding: Manifest, event: Event) -> None:
        try:
            await self._api.create(EVENT, self._manifest(regarding, event))
        except ApiError as error:
            log.warning("could not publish the event %s (%s): %s", event.reason, event.note, error)

    def _manifest(self, regarding: Manifest, event: Event) -> Manifest:
        metadata = regarding["metadata"]
        suffix = uuid.uuid4().hex[:16]
        return {
            "metadata": {
                "name": f"{metadata['name'][: NAME_LIMIT - 17]}.{suffix}",
                "namespace": metadata["namespace"],
            },
            "eventTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": event.type,
            "reason": event.reason,
            "action": event.action,
            "note": _cut(event.note),
            "reportingController": f"{GROUP}/operator",
            "reportingInstance": gethostname()[:128],
            "regarding": {
                "apiVersion": regarding["apiVersion"],
                "kind": regarding["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
        }


def _cut(note: str) -> str:
    encoded = note.encode()
    if len(encoded) <= NOTE_LIMIT:
        return note
    return encoded[: NOTE_LIMIT - 3].decode(errors="ignore") + "…"
