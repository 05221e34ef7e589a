"""The operator's work queues, each of them fair between namespaces and between engines."""

from quiver.control.cache.by_engine import is_converged
from quiver.control.cache.cache import Cache
from quiver.control.observe.metrics import Metrics
from quiver.control.work.fair_queue import FairQueue, Limits
from quiver.control.work.queue import WorkQueue
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key
from quiver.domain.manifests import engine_of
from quiver.settings import Settings

ENGINES = Limits(total=32, per_namespace=8, per_engine=1)
"""Engines that are reconciled at the same time. Each reconcile may dial 64 endpoints."""
PRESENCE = Limits(total=16, per_namespace=4, per_engine=1)
"""Engines whose presence is checked at the same time."""


class WorkQueues:
    """Collections and engines that wait for a reconcile, and engines that wait for a presence check
    (quiver.control.drift.presence).
    """

    def __init__(self, cache: Cache, metrics: Metrics, settings: Settings) -> None:
        self._cache = cache
        limits = Limits(
            total=settings.workers,
            per_namespace=settings.workers_per_namespace,
            per_engine=settings.workers_per_engine,
        )
        waiting = FairQueue(self._engine_of, limits, self._is_converged)
        self.collections = WorkQueue(metrics.queue("vectorcollection"), waiting=waiting)
        self.engines = _queue_of_engines("vectorengine", metrics, ENGINES)
        self.presence = _queue_of_engines("presence", metrics, PRESENCE)

    def add_collections_of(self, engine: Key) -> None:
        for collection in self._cache.collections_of(engine):
            self.collections.add(Key.of(collection))

    def _engine_of(self, collection: Key) -> Key:
        """Return the engine that the collection waits for."""
        manifest = self._cache.get(VECTOR_COLLECTION, collection)
        return (engine_of(manifest) if manifest else None) or collection

    def _is_converged(self, collection: Key) -> bool:
        """Tell whether the collection is only verified: one that changed does not wait for all that
        are verified.
        """
        manifest = self._cache.get(VECTOR_COLLECTION, collection)
        return manifest is not None and is_converged(manifest)


def _queue_of_engines(name: str, metrics: Metrics, limits: Limits) -> WorkQueue:
    return WorkQueue(metrics.queue(name), waiting=FairQueue(lambda engine: engine, limits))
