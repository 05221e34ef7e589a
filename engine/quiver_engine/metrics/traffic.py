"""Counts inserted and searched rows, and the time of fsyncs, for Prometheus."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from quiver_engine.files.segments import Segment

_PREFIX = "quiver_engine"
_FSYNC_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Traffic:
    """Counts successful calls of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", text, registry=registry)

        self._inserted_rows = counter("inserted_rows", "Rows that Insert was answered for.")
        self._inserted_bytes = counter("inserted_bytes", "Bytes of those Insert requests.")
        self._queries = counter("searched_queries", "Vectors that were searched for.")
        self._rows = counter("searched_rows", "Rows of the segments that searches went to.")
        self._bytes = counter("searched_bytes", "Bytes of their rows, or indexes if they have one.")
        self._fsync = Histogram(
            f"{_PREFIX}_fsync_duration_seconds",
            "Time that an fsync of the insert log took.",
            buckets=_FSYNC_BUCKETS,
            registry=registry,
        )

    def inserted(self, rows: int, size: int) -> None:
        """`size` is in bytes."""
        self._inserted_rows.inc(rows)
        self._inserted_bytes.inc(size)

    def searched(self, queries: int, segments: Sequence[Segment]) -> None:
        self._queries.inc(queries)
        self._rows.inc(sum(s.rows for s in segments))
        self._bytes.inc(sum(s.index.disk_bytes if s.index else s.file_bytes for s in segments))

    def synced(self, seconds: float) -> None:
        self._fsync.observe(seconds)
