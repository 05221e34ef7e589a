"""The metric of objects that other operators share."""

from functools import partial

from prometheus_client import CollectorRegistry

from quiver.control.cache.cache import Cache
from quiver.control.cache.other_operators import other_operators
from quiver.control.observe.collectors import OtherOperatorsCollector
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Manifest
from quiver.domain.managers import Manager
from support.builders import collection, engine


def of_engine(name: str) -> Manifest:
    return {"engineRef": {"name": name}}


def test_objects_of_others_are_counted_by_the_other() -> None:
    """Engines that another operator manages, with their collections; our own that it would manage;
    collections without an engine that it manages. What is ours alone is not counted.
    """
    cache, registry = Cache(), CollectorRegistry()
    registry.register(OtherOperatorsCollector(partial(other_operators, cache, Manager("ours"))))
    for manifest in (
        engine("ours", status={"managedBy": "ours"}),
        engine("contended", status={"managedBy": "ours", "contendedBy": "third"}),
        engine("theirs", status={"managedBy": "other", "contendedBy": "ours"}),
    ):
        cache.put(VECTOR_ENGINE, manifest)
    for manifest in (
        collection("a", spec=of_engine("ours")),
        collection("b", spec=of_engine("contended")),
        collection("c", spec=of_engine("theirs")),
        collection("d", spec=of_engine("none"), status={"managedBy": "other"}),
        collection("e", spec=of_engine("none")),
    ):
        cache.put(VECTOR_COLLECTION, manifest)

    def counted(operator: str) -> float | None:
        labels = {"operator": operator}
        return registry.get_sample_value("quiver_operator_contended_objects", labels)

    assert {name: counted(name) for name in ("other", "third", "ours")} == {
        "other": 3,
        "third": 1,
        "ours": None,
    }
