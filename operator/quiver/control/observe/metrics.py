"""The Prometheus metrics, with the names that controller-runtime's dashboards use."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from quiver.domain.reasons import EVENTS

RECONCILE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
QUEUE_BUCKETS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000)
CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class QueueMetrics:
    """The metrics of one work queue."""

    def __init__(self, metrics: "Metrics", name: str) -> None:
        self.depth = metrics.queue_depth.labels(name)
        self.adds = metrics.queue_adds.labels(name)
        self.queue_seconds = metrics.queue_seconds.labels(name)
        self.work_seconds = metrics.work_seconds.labels(name)
        self.retries = metrics.queue_retries.labels(name)


class Metrics:
    """All metrics of one operator, in a registry of its own, so that several operators can run in
    one process.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._define_controllers()
        self._define_queues()
        self._define_calls()
        self._engine_calls: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def queue(self, name: str) -> QueueMetrics:
        return QueueMetrics(self, name)

    def count_engine_call(self, call: str, code: str, seconds: float) -> None:
        # Looking up a label costs more than counting.
        key = call, code
        found = self._engine_calls.get(key)
        if found is None:
            found = self.engine_calls.labels(call, code), self.engine_seconds.labels(call)
            self._engine_calls[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)

    def _define_controllers(self) -> None:
        self.reconciles = self._counter(
            "controller_runtime_reconcile",
            "Reconciles, by controller and outcome: success, requeue_after or error.",
            "controller",
            "result",
        )
        self.reconcile_errors = self._counter(
            "controller_runtime_reconcile_errors",
            "Reconciles that ended with an error, by controller.",
            "controller",
        )
        self.reconcile_seconds = self._histogram(
            "controller_runtime_reconcile_time_seconds",
            "Seconds that a reconcile took, by controller.",
            RECONCILE_BUCKETS,
            "controller",
        )
        self.active_workers = self._gauge(
            "controller_runtime_active_workers",
            "Workers that are reconciling right now, by controller.",
            "controller",
        )
        self.max_workers = self._gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Workers that there are, by controller.",
            "controller",
        )

        self.parked = self._gauge(
            "quiver_operator_parked_objects",
            "Objects that wait for an engine to answer, by controller.",
            "controller",
        )
        self.leading = self._gauge(
            "leader_election_master_status",
            "1 while this process holds the lease of this name, 0 while it stands by.",
            "name",
        )

    def _define_queues(self) -> None:
        self.queue_depth = self._gauge(
            "workqueue_depth", "Objects that wait for a reconcile.", "name"
        )
        self.queue_adds = self._counter("workqueue_adds", "Objects added to the queue.", "name")
        self.queue_seconds = self._histogram(
            "workqueue_queue_duration_seconds",
            "Seconds that an object waited for its reconcile.",
            QUEUE_BUCKETS,
            "name",
        )
        self.work_seconds = self._histogram(
            "workqueue_work_duration_seconds",
            "Seconds that a worker held an object.",
            QUEUE_BUCKETS,
            "name",
        )
        self.queue_retries = self._counter(
            "workqueue_retries", "Objects queued again after a wait.", "name"
        )

    def _define_calls(self) -> None:
        self.api_requests = self._counter(
            "rest_client_requests",
            "Requests to the Kubernetes API, by status code (<error>: no answer), host and method.",
            "code",
            "host",
            "method",
        )
        self.engine_calls = self._counter(
            "quiver_operator_engine_calls",
            "Calls to engines, by call and outcome: OK, UNREACHABLE or the protocol's error code.",
            "call",
            "code",
        )
        self.engine_seconds = self._histogram(
            "quiver_operator_engine_call_seconds",
            "Seconds that a call to an engine took.",
            CALL_BUCKETS,
            "call",
        )
        self.silent_addresses = self._gauge(
            "quiver_operator_silent_engine_addresses",
            "Addresses of engines that do not answer and are only probed.",
        )
        self.events = self._counter(
            "quiver_events",
            "Events about users' data, by type and reason.",
            "type",
            "reason",
        )
        # At 0 from the start: `increase` does not see a counter begin at 1.
        for type_, reason in EVENTS:
            self.events.labels(type_, reason)
