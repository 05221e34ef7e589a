"""Metrics of the objects in the cache, counted at the moment of the scrape."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from quiver.domain.clear_credentials import CREDENTIALS_IN_CLEAR
from quiver.domain.conditions import is_true, ready_reason, ready_status
from quiver.domain.data_loss import DATA_LOST
from quiver.domain.ephemeral_data import DATA_EPHEMERAL
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind, Manifest
from quiver.domain.outdated_pods import PODS_OUTDATED
from quiver.domain.reasons import Reason
from quiver.domain.troubles import TYPES

Manifests = Callable[[], Iterable[Manifest]]
"""Returns the objects of one kind; it is called at each scrape."""
_REASONS = frozenset(reason.value for reason in Reason)
_BESIDE_READY = (*TYPES, DATA_EPHEMERAL, PODS_OUTDATED, CREDENTIALS_IN_CLEAR)
"""Conditions of engines."""


def collectors(
    collections: Manifests, engines: Manifests, others: Callable[[], Iterable[str]]
) -> tuple[Collector, ...]:
    """Return all collectors. `others` is that of OtherOperatorsCollector."""
    return (
        ReadyCollector("quiver_collections", VECTOR_COLLECTION, collections),
        ReadyCollector("quiver_engines", VECTOR_ENGINE, engines),
        ConditionsCollector("quiver_collections", VECTOR_COLLECTION, [DATA_LOST], collections),
        ConditionsCollector("quiver_engines", VECTOR_ENGINE, _BESIDE_READY, engines),
        OtherOperatorsCollector(others),
    )


class ReadyCollector(Collector):
    """Counts objects of one kind by their Ready condition, at the moment of the scrape.

    The CRD bounds what a condition says only as long as nobody swaps it. A status or reason that
    Quiver does not know is counted as one, so that no object makes a label.
    """

    def __init__(self, name: str, kind: Kind, objects: Manifests) -> None:
        self._name = name
        self._kind = kind
        self._objects = objects

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            self._name,
            f"{self._kind.kind}s, by status and reason of their Ready condition.",
            labels=["ready", "reason"],
        )
        # There without any object too, so that queries have something to add up.
        tally = Counter({("True", Reason.AVAILABLE.value): 0})
        tally.update(map(_readiness, self._objects()))
        for (status, reason), count in sorted(tally.items()):
            family.add_metric([status, reason], count)
        yield family


def _readiness(manifest: Manifest) -> tuple[str, str]:
    status, reason = ready_status(manifest), ready_reason(manifest)
    return (
        status if status in ("True", "False") else "Unknown",
        reason if reason in _REASONS else "Other",
    )


class ConditionsCollector(Collector):
    """Counts objects of one kind by the conditions beside Ready that are True, at the moment of the
    scrape.
    """

    def __init__(
        self, name: str, kind: Kind, conditions: Collection[str], objects: Manifests
    ) -> None:
        self._name = name
        self._kind = kind
        self._conditions = conditions
        self._objects = objects

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            f"{self._name}_with_condition",
            f"{self._kind.kind}s with a condition beside Ready that is True.",
            labels=["condition"],
        )
        counts = dict.fromkeys(self._conditions, 0)
        for manifest in self._objects():
            for condition in self._conditions:
                counts[condition] += is_true(manifest, condition)
        for condition, count in counts.items():
            family.add_metric([condition], count)
        yield family


class OtherOperatorsCollector(Collector):
    """Counts the objects that other operators of the cluster share with this one."""

    def __init__(self, others: Callable[[], Iterable[str]]) -> None:
        """`others` is called at each scrape. It returns the other operator's namespace for each
        object.
        """
        self._others = others

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "quiver_operator_contended_objects",
            "VectorEngines and VectorCollections that another operator manages, or would manage, by"
            " that operator's namespace.",
            labels=["operator"],
        )
        for operator, count in Counter(self._others()).items():
            family.add_metric([operator], count)
        yield family
