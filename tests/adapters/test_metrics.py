"""Metrics carry the names that stock dashboards know, and numbers that something feeds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from quiver.adapters.counted_events import CountedEvents
from quiver.adapters.interceptors import MetricsInterceptor
from quiver.control.observe.collectors import ReadyCollector, collectors
from quiver.control.observe.metrics import Metrics
from quiver.control.work.interception import InterceptedEngines
from quiver.domain.access import Target
from quiver.domain.data_loss import DATA_LOST
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from quiver.domain.outdated_pods import PODS_OUTDATED
from quiver.domain.reasons import EVENTS, Reason
from quiver.domain.troubles import TROUBLES
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable
from quiver.ports.kubernetes import Event

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
OF_THE_PROCESS = ("process_", "python_")
NAMES = (
    "controller_runtime_reconcile_total",
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_reconcile_time_seconds_bucket",
    "controller_runtime_active_workers",
    "controller_runtime_max_concurrent_reconciles",
    "workqueue_depth",
    "workqueue_adds_total",
    "workqueue_queue_duration_seconds_bucket",
    "workqueue_work_duration_seconds_bucket",
    "workqueue_retries_total",
    "rest_client_requests_total",
    "process_resident_memory_bytes",
)


class Moody:
    """An engine whose every `version` ends as it was told."""

    def __init__(self, *moods: EngineError | None) -> None:
        self._moods = list(moods)

    def at(self, _target: Target) -> EngineClient:
        return self  # type: ignore[return-value]

    async def version(self) -> str:
        mood = self._moods.pop(0)
        if mood is not None:
            raise mood
        return "1.1.1"


class Silent:
    async def record(self, regarding: Manifest, event: Event) -> None: ...


def test_names_are_those_of_controller_runtime() -> None:
    """Every metric that dashboards for controllers ask for is there."""
    metrics = Metrics()
    queue = metrics.queue("things")
    queue.depth.set(1)
    for counted in (metrics.reconciles.labels("things", "success"),):
        counted.inc()
    metrics.reconcile_errors.labels("things").inc()
    metrics.reconcile_seconds.labels("things").observe(1)
    metrics.active_workers.labels("things").set(1)
    metrics.max_workers.labels("things").set(8)
    metrics.api_requests.labels("200", "localhost:6443", "GET").inc()
    text = generate_latest(metrics.registry).decode()
    assert [name for name in NAMES if f"\n{name}" not in text] == []


async def test_calls_to_engines_are_counted_by_outcome() -> None:
    """A refusal counts under the protocol's code, silence as UNREACHABLE."""
    metrics = Metrics()
    moods = (None, EngineRefused("ILLEGAL_DIMENSION", "no"), EngineUnreachable("silence"))
    engines = InterceptedEngines(Moody(*moods), MetricsInterceptor(metrics))
    member = engines.at(Target("10.0.0.7:19530", "Quiver"))
    for _ in moods:
        try:
            await member.version()
        except EngineError:
            continue
    for code in ("OK", "ILLEGAL_DIMENSION", "UNREACHABLE"):
        labels = {"call": "version", "code": code}
        assert metrics.registry.get_sample_value("quiver_operator_engine_calls_total", labels) == 1


async def test_events_are_counted() -> None:
    """What people were told about their data can be seen in the metrics."""
    metrics = Metrics()
    event = Event("Warning", "Recreated", "Create", "the vectors are gone")
    await CountedEvents(Silent(), metrics).record({}, event)
    labels = {"type": "Warning", "reason": "Recreated"}
    assert metrics.registry.get_sample_value("quiver_events_total", labels) == 1


@pytest.mark.parametrize(("type_", "reason"), EVENTS)
def test_each_event_has_its_counter_from_the_start(type_: str, reason: str) -> None:
    """`increase` over a counter that begins at 1 is 0: an alert would miss the first loss."""
    labels = {"type": type_, "reason": reason}
    assert Metrics().registry.get_sample_value("quiver_events_total", labels) == 0


def with_condition(type_: str, status: str, reason: str = "") -> Manifest:
    return {"status": {"conditions": [{"type": type_, "status": status, "reason": reason}]}}


def test_objects_are_counted_when_they_are_asked_for() -> None:
    """The gauge shows the cache at the moment of the scrape, by status and reason of Ready."""
    metrics = Metrics()
    manifests: list[Manifest] = []
    collector = ReadyCollector("quiver_collections", VECTOR_COLLECTION, lambda: manifests)
    metrics.registry.register(collector)
    assert ready_counts(metrics) == {("True", "Available"): 0}
    building = with_condition("Ready", "False", "IndexBuilding")
    stalled = with_condition("Ready", "False", "AlreadyExists")
    manifests += [with_condition("Ready", "True", "Available"), building, building, stalled]
    assert ready_counts(metrics) == {
        ("True", "Available"): 1,
        ("False", "IndexBuilding"): 2,
        ("False", "AlreadyExists"): 1,
    }


def test_no_object_makes_a_label() -> None:
    """A looser CRD may admit conditions of any words, and objects without one."""
    metrics = Metrics()
    manifests = [{}, *(with_condition("Ready", f"s{n}", f"r{n}") for n in range(3))]
    collector = ReadyCollector("quiver_collections", VECTOR_COLLECTION, lambda: manifests)
    metrics.registry.register(collector)
    assert ready_counts(metrics) == {("True", "Available"): 0, ("Unknown", "Other"): 4}


def ready_counts(metrics: Metrics) -> dict[tuple[str, str], float]:
    samples = [s for family in metrics.registry.collect() for s in family.samples]
    return {
        (s.labels["ready"], s.labels["reason"]): s.value
        for s in samples
        if s.name == "quiver_collections"
    }


def test_objects_with_lost_data_are_counted() -> None:
    """As long as the condition stands, whatever process has found it out."""
    metrics = Metrics()
    manifests: list[Manifest] = []
    for collector in collectors(lambda: manifests, list, list):
        metrics.registry.register(collector)
    name, labels = "quiver_collections_with_condition", {"condition": DATA_LOST}
    assert metrics.registry.get_sample_value(name, labels) == 0
    manifests += [with_condition("DataLost", "True"), with_condition("Ready", "True"), {}]
    assert metrics.registry.get_sample_value(name, labels) == 1


@pytest.mark.parametrize(
    "type_",
    [
        *("DiskFull", "DataDamaged", "ComputesOnCPU"),
        *("DataEphemeral", "PodsOutdated", "CredentialsInClear"),
    ],
)
def test_each_condition_of_engines_is_counted(type_: str) -> None:
    """Whatever stands beside Ready can be alerted on."""
    metrics = Metrics()
    for collector in collectors(list, lambda: [with_condition(type_, "True"), {}], list):
        metrics.registry.register(collector)
    name = "quiver_engines_with_condition"
    assert metrics.registry.get_sample_value(name, {"condition": type_}) == 1


def test_the_page_of_operations_and_the_registry_tell_the_same_metrics() -> None:
    """Each metric stands in the table with its labels, and no other does."""
    section = PAGE.read_text().partition("\n## Probes and metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)(?:\{([a-z,]+)\})?` \|", section, re.MULTILINE)
    assert dict(rows) == dict(_registered())
    for prefix in OF_THE_PROCESS:
        assert f"`{prefix}*`" in section


def test_the_alerts_on_the_page_ask_for_what_there_is() -> None:
    """Each metric that a query names is exposed, and each reason is one of objects or events."""
    section = PAGE.read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^`|]+ \| `(.+)` \| ", section, re.MULTILINE)
    queries = [row.replace(r"\|", "|") for row in rows]
    assert len(queries) == section.count("\n| ") - 1  # the head
    named = {name for query in queries for name in re.findall(r"(?:quiver|leader)_\w+", query)}
    assert named - {name for name, _ in _registered()} == set()
    known = {reason.value for reason in Reason} | {reason for _, reason in EVENTS}
    for query in queries:
        for alternative in "|".join(re.findall(r'reason!?=~?"([^"]+)"', query)).split("|"):
            assert any(re.fullmatch(alternative, reason) for reason in ("", *known)), alternative
    conditions = {DATA_LOST, PODS_OUTDATED, *(trouble.type for trouble in TROUBLES)}
    asked = {c for query in queries for c in re.findall(r'condition="([^"]+)"', query)}
    assert asked - conditions == set()


def _registered() -> Iterator[tuple[str, str]]:
    """Yield the name that each metric is exposed by, and its labels."""
    metrics = Metrics()
    for collector in collectors(list, list, lambda: ["elsewhere"]):
        (family,) = collector.collect()
        yield family.name, ",".join(family.samples[0].labels)
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            suffix = "_total" if family.type == "counter" else ""
            yield f"{family.name}{suffix}", ",".join(metric._labelnames)


def test_the_registry_holds_nothing_that_the_page_does_not_speak_of() -> None:
    """What is registered otherwise than by the class of metrics is the process's own."""
    metrics = Metrics()
    told = {name.removesuffix("_total") for name, _ in _registered()}
    families = {family.name for family in metrics.registry.collect()}
    assert {f for f in families - told if not f.startswith(OF_THE_PROCESS)} == set()
