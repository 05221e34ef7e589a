"""How far the search for damage under the running engine has come."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from quiver_engine.store.scrub import OUTCOMES, Scrub

_PREFIX = "quiver_engine_scrub"


class ScrubCollector(Collector):
    """Reads the counters of the search for each scrape."""

    def __init__(self, scrub: Scrub) -> None:
        self._scrub = scrub

    def collect(self) -> Iterator[Metric]:
        """Prometheus' client calls this for each scrape."""
        yield GaugeMetricFamily(
            f"{_PREFIX}_oldest_check_age_seconds",
            "Time since the check, or the writing, of the file that waits longest for a check.",
            value=self._scrub.oldest_check_age_s,
        )
        yield CounterMetricFamily(
            f"{_PREFIX}_bytes", "Bytes read in search of damage.", value=self._scrub.bytes_read
        )
        damage = CounterMetricFamily(
            f"{_PREFIX}_damage",
            "Damage found, by the kind of file and what was done about it.",
            labels=["file", "outcome"],
        )
        for file, outcome in OUTCOMES:
            damage.add_metric([file, outcome], self._scrub.damage[file, outcome])
        yield damage
