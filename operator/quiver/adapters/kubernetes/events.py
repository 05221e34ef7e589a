"""Publishes Events about objects, as `kubectl describe` shows them."""

import logging
import uuid
from socket import gethostname

from quiver.adapters.kubernetes.series import Repeats, Series
from quiver.domain.kubernetes_types import EVENT, GROUP, Key, Manifest
from quiver.domain.text import one_line
from quiver.ports.api import Api
from quiver.ports.clock import Clock
from quiver.ports.errors import ApiError, NotFound
from quiver.ports.kubernetes import Event

log = logging.getLogger(__name__)

NOTE_LIMIT = 1024
"""Bytes; the API server refuses a longer note."""
NAME_LIMIT = 253


class ApiEventRecorder:
    """Implements `quiver.ports.kubernetes.EventRecorder`.

    An event that repeats within minutes is counted in the first Event about it.
    """

    def __init__(self, api: Api, clock: Clock, repeats: Repeats | None = None) -> None:
        self._api = api
        self._clock = clock
        self._repeats = Repeats() if repeats is None else repeats

    async def record(self, regarding: Manifest, event: Event) -> None:
        try:
            await self._publish(regarding, event)
        except ApiError as error:
            log.warning("could not publish the event %s (%s): %s", event.reason, event.note, error)

    async def _publish(self, regarding: Manifest, event: Event) -> None:
        series = self._repeats.again(regarding, event)
        if series is not None:
            log.info("%s, %d times now: %s", event.reason, series.count, event.note)
            try:
                await self._count(series, regarding["metadata"]["namespace"])
            except NotFound:
                pass  # the API server deletes Events after about an hour: create a new one
            else:
                return
        created = await self._api.create(EVENT, self._manifest(regarding, event))
        self._repeats.begin(regarding, event, created["metadata"]["name"])

    async def _count(self, series: Series, namespace: str) -> None:
        count = {"count": series.count, "lastObservedTime": self._moment()}
        await self._api.patch(EVENT, Key(namespace, series.name), {"series": count})

    def _moment(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _manifest(self, regarding: Manifest, event: Event) -> Manifest:
        metadata = regarding["metadata"]
        suffix = uuid.uuid4().hex[:16]
        return {
            "metadata": {
                "name": f"{metadata['name'][: NAME_LIMIT - 17]}.{suffix}",
                "namespace": metadata["namespace"],
            },
            "eventTime": self._moment(),
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
    note = one_line(note, NOTE_LIMIT)
    encoded = note.encode()
    if len(encoded) <= NOTE_LIMIT:
        return note
    return encoded[: NOTE_LIMIT - 3].decode(errors="ignore") + "…"
