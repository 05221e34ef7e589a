"""Events that tell the cache nothing new do not reach kopf."""

import json

import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.echoes import LONG_LINE, Echoes
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from support.builders import NAMESPACE, collection, engine, pod

KEY = Key(NAMESPACE, "test01")
PATH = "/apis/quiver.dev/v1alpha1/vectorcollections"


@pytest.fixture
def cache() -> Cache:
    return Cache()


def at(version: int, **metadata: str) -> Manifest:
    return collection(resourceVersion=str(version), **metadata)


def line(type_: str, manifest: Manifest) -> bytes:
    return json.dumps({"type": type_, "object": manifest}).encode()


def spared(cache: Cache, type_: str, manifest: Manifest, path: str = PATH) -> bool:
    return Echoes(cache)(path, line(type_, manifest))


def version_in(cache: Cache) -> str | None:
    found = cache.get(VECTOR_COLLECTION, KEY)
    return None if found is None else found["metadata"]["resourceVersion"]


def test_what_the_cache_knows_is_spared(cache: Cache) -> None:
    """A version that is known, from the answer to a write or a list, is no news; a newer one is."""
    cache.put(VECTOR_COLLECTION, at(5), ours=True)
    assert spared(cache, "MODIFIED", at(5))
    assert spared(cache, "ADDED", at(4))
    assert not spared(cache, "MODIFIED", at(6))
    assert not spared(cache, "MODIFIED", at(5, uid="another"))


def test_a_watch_of_one_namespace_is_spared_the_same(cache: Cache) -> None:
    """An operator that is not installed cluster-wide has a watch for each namespace."""
    cache.put(VECTOR_COLLECTION, at(5), ours=True)
    path = f"/apis/quiver.dev/v1alpha1/namespaces/{NAMESPACE}/vectorcollections"
    assert spared(cache, "MODIFIED", at(5), path)
    assert not spared(cache, "MODIFIED", at(6), path)


def test_the_end_of_an_object_is_news_once(cache: Cache) -> None:
    """A deletion is passed on unless it is known already, whatever version it comes with."""
    cache.put(VECTOR_COLLECTION, at(5))
    assert not spared(cache, "DELETED", at(6))
    assert not spared(cache, "DELETED", at(5))
    cache.remove(VECTOR_COLLECTION, KEY, "uid-of-test01", ours=True)
    assert spared(cache, "DELETED", at(6))


def test_what_comes_before_the_answer_to_a_write_waits_for_it(cache: Cache) -> None:
    """The echo that overtakes the answer is no change; what somebody else wrote then is one."""
    changes = []
    cache.put(VECTOR_COLLECTION, at(5))
    cache.subscribe(changes.append)
    with cache.writing(VECTOR_COLLECTION, KEY):
        assert spared(cache, "MODIFIED", at(6))
        assert spared(cache, "MODIFIED", at(7))
        assert version_in(cache) == "5"
        cache.put(VECTOR_COLLECTION, at(6), ours=True)
    assert version_in(cache) == "7"
    assert [change.ours for change in changes] == [True, False]


def test_an_end_that_comes_before_the_answer_to_a_write_is_kept(cache: Cache) -> None:
    """Somebody else's deletion is not lost because a write was under way."""
    cache.put(VECTOR_COLLECTION, at(5))
    with cache.writing(VECTOR_COLLECTION, KEY):
        assert spared(cache, "DELETED", at(7))
    assert version_in(cache) is None


def test_what_is_not_of_a_collection_is_kopfs(cache: Cache) -> None:
    """Bookmarks, errors and other kinds pass."""
    cache.put(VECTOR_COLLECTION, at(5))
    bookmark = {"kind": "VectorCollection", "metadata": {"resourceVersion": "9"}}
    assert not spared(cache, "BOOKMARK", bookmark)
    assert not spared(cache, "ERROR", {"kind": "Status", "code": 410})
    assert not spared(cache, "MODIFIED", at(5), "/api/v1/pods")


def test_a_long_event_goes_into_the_cache_at_once(cache: Cache) -> None:
    """Whoever reads it after that has the little that is kept; what is gone is gone at once too."""
    stuffed = at(5, annotations={"a": "x" * LONG_LINE})  # type: ignore[arg-type]
    assert spared(cache, "ADDED", stuffed)
    assert version_in(cache) == "5"
    assert spared(cache, "DELETED", stuffed)
    assert version_in(cache) is None


def test_a_long_event_of_another_kind_does_too(cache: Cache) -> None:
    """Tenants write engines too, and may label pods as Quiver's; short ones are for kopf."""
    manifest = engine(annotations={"a": "x" * LONG_LINE})
    path = "/apis/quiver.dev/v1alpha1/vectorengines"
    assert spared(cache, "ADDED", manifest, path)
    assert cache.get(VECTOR_ENGINE, Key.of(manifest)) is not None
    stuffed = pod()
    stuffed["metadata"]["annotations"] = {"a": "x" * LONG_LINE}
    assert spared(cache, "ADDED", stuffed, "/api/v1/pods")
    assert not spared(cache, "ADDED", pod(), "/api/v1/pods")
    assert not spared(cache, "ADDED", stuffed, "/api/v1/nodes")


def test_the_objects_of_a_list_go_into_the_cache(cache: Cache) -> None:
    """Of a list of ours, kopf needs no more than the version; of another, everything."""
    echoes = Echoes(cache)
    assert echoes.take(PATH, iter([at(5)]))
    assert version_in(cache) == "5"
    assert not echoes.take("/api/v1/nodes", iter([at(6)]))
    assert version_in(cache) == "5"
