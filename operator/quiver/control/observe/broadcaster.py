"""Publishes events in the background, as client-go's broadcaster does: no reconcile waits."""

import asyncio
import logging

from quiver.domain.kubernetes_types import Manifest
from quiver.ports.errors import PortError
from quiver.ports.kubernetes import Event, EventRecorder

log = logging.getLogger(__name__)

LIMIT = 5_000
"""Events that may wait to be published. While the API server is slow, more are dropped."""


class EventBroadcaster:
    """Implements `quiver.ports.kubernetes.EventRecorder`: accepts events at once, and publishes
    them one after another. Events that still wait when the process ends are lost.
    """

    def __init__(self, events: EventRecorder, limit: int = LIMIT) -> None:
        self._events = events
        self._waiting: asyncio.Queue[tuple[Manifest, Event]] = asyncio.Queue(limit)

    async def record(self, regarding: Manifest, event: Event) -> None:
        try:
            self._waiting.put_nowait((regarding, event))
        except asyncio.QueueFull:
            log.warning("too many events wait, dropped %s (%s)", event.reason, event.note)

    async def run(self) -> None:
        """Publish events until cancelled."""
        while True:
            regarding, event = await self._waiting.get()
            try:
                await self._events.record(regarding, event)
            except PortError as error:
                log.warning("could not publish the event %s: %s", event.reason, error)
            except Exception:
                log.exception("could not publish the event %s: this is a bug", event.reason)
