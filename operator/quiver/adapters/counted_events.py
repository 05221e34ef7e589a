"""Counts events when they happen, whether they get published or not."""

from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import Manifest
from quiver.ports.kubernetes import Event, EventRecorder


class CountedEvents:
    """Implements `quiver.ports.kubernetes.EventRecorder` over another."""

    def __init__(self, events: EventRecorder, metrics: Metrics) -> None:
        self._events = events
        self._metrics = metrics

    async def record(self, regarding: Manifest, event: Event) -> None:
        self._metrics.events.labels(event.type, event.reason).inc()
        await self._events.record(regarding, event)
