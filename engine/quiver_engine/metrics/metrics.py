"""The engine's metrics for Prometheus."""

import time
from collections.abc import Iterator
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from quiver_engine.metrics.in_flight import InFlight
from quiver_engine.metrics.scrubbed import ScrubCollector
from quiver_engine.metrics.traffic import Traffic
from quiver_engine.store.scrub import Scrub
from quiver_engine.store.store import Store
from quiver_engine.wire.rpc import Call

_PREFIX = "quiver_engine"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts the calls of this process; `/metrics` shows them and what the store holds."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._calls = Counter(
            f"{_PREFIX}_calls",
            "Calls answered, by rpc and error code (0 is success).",
            ["rpc", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}_call_duration_seconds",
            "Time from a call's bytes to its answer's.",
            ["rpc"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.traffic = Traffic(self._registry)
        self.in_flight = InFlight()
        Gauge(
            f"{_PREFIX}_calls_in_flight",
            "Calls being answered at this moment.",
            registry=self._registry,
        ).set_function(self.in_flight.count)

    def begin(self, call: Call) -> None:
        self.in_flight.begin(call)

    def end(self, call: Call, code: int) -> None:
        self.in_flight.end(call)
        calls, seconds = self._of(call.name, code)
        calls.inc()
        seconds.observe(time.monotonic() - call.started)

    def _of(self, rpc: str, code: int) -> tuple[Counter, Histogram]:
        # To look up a label takes longer than to count.
        found = self._known.get((rpc, code))
        if found is None:
            found = self._calls.labels(rpc, str(code)), self._seconds.labels(rpc)
            self._known[rpc, code] = found
        return found

    def show(self, store: Store) -> None:
        """Show this store from now on."""
        self._registry.register(_StoreCollector(store))

    def show_scrub(self, scrub: Scrub) -> None:
        """Show how far the search for damage has come, unless it is turned off."""
        if scrub.rate:
            self._registry.register(ScrubCollector(scrub))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _StoreCollector(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Read the store; Prometheus' client calls this for each scrape."""
        yield from self._totals()
        yield from self._memory()
        yield from self._disk()
        yield from self._gpu_memory()
        yield from self._by_collection()

    def _totals(self) -> Iterator[Metric]:
        collections = self._store.collections()
        info = GaugeMetricFamily(
            f"{_PREFIX}_info", "Always 1; tells the version of Quiver.", labels=["version"]
        )
        info.add_metric([version("quiver-operator")], 1)
        yield info
        yield GaugeMetricFamily(
            f"{_PREFIX}_collections", "Collections there are.", value=len(collections)
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}_partitions",
            "Partitions there are, _default not counted.",
            value=sum(len(collection.partitions) - 1 for collection in collections),
        )

    def _memory(self) -> Iterator[Metric]:
        memory = self._store.directory.memory
        yield GaugeMetricFamily(
            f"{_PREFIX}_memory_bytes",
            "Bytes of segments and indexes held in memory.",
            value=memory.held_bytes,
        )
        if memory.budget is not None:
            yield GaugeMetricFamily(
                f"{_PREFIX}_memory_budget_bytes", "What they may be at most.", value=memory.budget
            )

    def _disk(self) -> Iterator[Metric]:
        room = self._store.directory.disk.room
        for name, text, value in (
            ("free", "Bytes of the data directory's disk that can still be written.", room.free),
            ("total", "Bytes of the data directory's disk.", room.total),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_disk_{name}_bytes", text, value=value)

    def _gpu_memory(self) -> Iterator[Metric]:
        held, budget, used, total = (
            GaugeMetricFamily(f"{_PREFIX}_gpu_{name}_bytes", text, labels=["gpu"])
            for name, text in (
                ("memory", "Bytes of segments and indexes held on a GPU."),
                ("memory_budget", "What they may be at most."),
                ("device_used", "Bytes of a GPU that are taken, by whatever process."),
                ("device_total", "Bytes that a GPU has."),
            )
        )
        for gpu in self._store.device.gpus():
            label = [str(gpu.number)]
            held.add_metric(label, gpu.memory.held_bytes)
            budget.add_metric(label, gpu.memory.budget or 0)
            used.add_metric(label, gpu.used)
            total.add_metric(label, gpu.total)
        yield from (held, budget, used, total)

    def _by_collection(self) -> Iterator[Metric]:
        segments = GaugeMetricFamily(
            f"{_PREFIX}_segments",
            "Segment files: raw ones, indexed ones, and damaged ones, which are left out.",
            labels=["collection", "state"],
        )
        rows, waiting, disk, buffered = (
            GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=["collection"])
            for name, text in (
                ("rows", "Rows that searches see."),
                ("index_builds_waiting", "Segments that are to get an index."),
                ("disk_bytes", "Bytes of segment files and their indexes."),
                ("buffered_bytes", "Bytes of rows in memory that the next flush writes."),
            )
        )
        for collection in self._store.collections():
            label, held = [collection.schema.name], collection.segments
            rows.add_metric(label, collection.rows)
            indexed = sum(segment.index is not None for segment in held)
            segments.add_metric([*label, "raw"], len(held) - indexed)
            segments.add_metric([*label, "indexed"], indexed)
            segments.add_metric([*label, "damaged"], len(collection.damaged))
            waiting.add_metric(label, len(collection.due))
            disk.add_metric(label, sum(segment.disk_bytes for segment in held))
            buffered.add_metric(label, collection.buffered_bytes)
        yield from (rows, segments, waiting, disk, buffered)
