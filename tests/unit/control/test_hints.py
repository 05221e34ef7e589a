"""What has changed about an engine is a reason to look at it again."""

from collections.abc import Collection
from typing import Any

import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.hints import Hints
from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Key, Kind, Manifest
from support.builders import external, pod


def newer(manifest: Manifest, **metadata: Any) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "8", **metadata}}


AT = "10.0.0.7:19530"
ENGINE = external("a.org:1", "b.org:1")
CHANGES: list[tuple[str, Kind, Manifest, Manifest, set[str]]] = [
    ("a pod becomes ready", POD, pod(ready=False), newer(pod()), {AT}),
    ("its address is IPv6", POD, pod(ready=False), newer(pod(ip="fd00::7")), {"[fd00::7]:19530"}),
    ("a pod stays ready", POD, pod(), newer(pod()), set()),
    ("a pod ends to be ready", POD, pod(), newer(pod(ready=False)), set()),
    ("another spec", VECTOR_ENGINE, ENGINE, newer(ENGINE, generation=2), {"a.org:1", "b.org:1"}),
    ("another status", VECTOR_ENGINE, ENGINE, newer(ENGINE), set()),
]


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_what_is_looked_at_again(
    kind: Kind, old: Manifest, new: Manifest, expected: object
) -> None:
    """A pod is named by its address, an endpoint as it is written: as calls to them are."""
    looked_at: set[str] = set()
    cache = Cache()

    def look_again(names: Collection[str]) -> None:
        looked_at.update(names)

    cache.subscribe(Hints(cache.all, look_again, lambda _: None))
    cache.put(kind, old)
    assert looked_at == set()
    cache.put(kind, new)
    assert looked_at == expected


GONE: list[tuple[str, Kind, Manifest, Manifest | None, set[str]]] = [
    ("a pod is deleted", POD, pod(), None, {AT}),
    ("another pod of that name", POD, pod(), newer(pod(ip="10.0.0.8")), {AT}),
    ("a pod changes", POD, pod(), newer(pod(ready=False)), set()),
    ("an engine is deleted", VECTOR_ENGINE, ENGINE, None, {"a.org:1", "b.org:1"}),
    ("an endpoint is taken off", VECTOR_ENGINE, ENGINE, newer(external("a.org:1")), {"b.org:1"}),
]


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"), [c[1:] for c in GONE], ids=[c[0] for c in GONE]
)
def test_what_is_looked_at_no_more(
    kind: Kind, old: Manifest, new: Manifest | None, expected: object
) -> None:
    """An address may lead to somebody else once its pod or its VectorEngine is gone."""
    gone: set[str] = set()
    cache = Cache()

    def forget(names: Collection[str]) -> None:
        gone.update(names)

    cache.subscribe(Hints(cache.all, lambda _: None, forget))
    cache.put(kind, old)
    if new is None:
        cache.remove(kind, Key.of(old), old["metadata"]["uid"])
    else:
        cache.put(kind, new)
    assert gone == expected


def test_what_another_names_too_is_looked_at_as_before() -> None:
    """Who names an endpoint of somebody else's and takes it off again changes nothing for them."""
    gone: set[str] = set()
    cache = Cache()

    def forget(names: Collection[str]) -> None:
        gone.update(names)

    cache.subscribe(Hints(cache.all, lambda _: None, forget))
    cache.put(VECTOR_ENGINE, external("a.org:1", AT, name="another"))
    for kind, manifest in ((VECTOR_ENGINE, ENGINE), (POD, pod())):
        cache.put(kind, manifest)
        cache.remove(kind, Key.of(manifest), manifest["metadata"]["uid"])
    assert gone == {"b.org:1"}
