"""What `quiver status` makes of objects, however odd they are."""

from typing import Any

from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.overview import Found, overview
from quiver.domain.views import Overview, PodView
from support.builders import NAMESPACE, collection, engine, pod


def seen(*collections: Manifest, **found: Any) -> Overview:
    return overview(Found(engines=[engine()], collections=collections, **found), {})


def one_pod(status: Manifest, **found: Any) -> PodView:
    manifest = pod(ready=False)
    manifest["status"].update(status)
    limits = {"memory": "2Gi", "nvidia.com/gpu": "2"}
    manifest["spec"] = {"containers": [{"name": "engine", "resources": {"limits": limits}}]}
    pods = seen(pods=[manifest, pod("other-0")], **found).engines[0].pods
    assert pods is not None
    (only,) = pods
    return only


def test_what_keeps_a_pod_from_running_is_told() -> None:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off\x1b[2J"}
    state = {"name": "engine", "restartCount": 7, "state": {"waiting": waiting}}
    view = one_pod({"containerStatuses": [state]})
    assert (view.restarts, view.trouble) == (7, "CrashLoopBackOff: back-off [2J")


def test_memory_and_gpus_of_a_pod() -> None:
    """In use where that is measured, beside the limit."""
    view = one_pod({}, used={Key(NAMESPACE, "engine-0"): 700})
    assert (view.memory_used, view.memory_limit, view.gpus) == (700, 2048, 2)
    assert one_pod({}).memory_used is None


def test_pods_that_may_not_be_listed_are_not_none() -> None:
    assert seen().engines[0].pods == ()
    assert seen(unlisted=frozenset(("elsewhere",))).engines[0].pods == ()
    assert seen(unlisted=frozenset((NAMESPACE,))).engines[0].pods is None
    assert seen(unlisted=frozenset(("",))).engines[0].pods is None


def test_the_last_events_are_shown() -> None:
    regarding = {"kind": "VectorCollection", "namespace": NAMESPACE, "name": "test01"}
    events = [
        {
            "metadata": {},
            "regarding": regarding,
            "eventTime": f"2024-05-01T10:00:0{n}.000000Z",
            "reason": f"r{n}",
        }
        for n in (4, 1, 3, 2)
    ]
    (view,) = seen(collection(), events=events).engines[0].collections
    assert [event.reason for event in view.events] == ["r2", "r3", "r4"]


def test_a_collection_is_shown_with_its_engine_wherever_that_is() -> None:
    other = collection("other", spec={"engineRef": {"name": "engine", "namespace": "elsewhere"}})
    found = seen(collection(), other)
    assert [each.name for each in found.engines[0].collections] == ["test01"]
    assert [each.engine for each in found.collections] == ["elsewhere/engine"]


def test_what_the_operator_has_not_seen_is_not_ready() -> None:
    found = seen(collection())
    assert (found.engines[0].reason, found.all_ready) == ("Pending", False)
    assert overview(Found(engines=[], collections=[]), {}).all_ready


def test_parts_of_another_shape_are_left_out() -> None:
    """A looser CRD may have let them in."""
    odd = collection(spec={"engineRef": "engine"}, status={"placement": [1], "index": "x"})
    assert seen(odd).collections[0].on == ""
