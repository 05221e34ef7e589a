"""Writes go out with their preconditions, and their answers are in the cache."""

from typing import Any

import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.cached_objects import CachedObjects
from quiver.domain.claims import claim_of
from quiver.domain.kubernetes_types import (
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.ports.errors import Conflict, NotFound
from support.builders import KEYS, NAMESPACE, claim, collection, engine, intended, pod

KEY = Key(NAMESPACE, "test01")


class FakeApi:
    """Answers each patch with what it was told to, and remembers what was sent."""

    def __init__(self, answer: Manifest | Exception) -> None:
        self.sent: list[tuple[Manifest, str]] = []
        self._answer = answer

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        assert (kind, key.namespace) in ((VECTOR_COLLECTION, NAMESPACE), (VECTOR_ENGINE, NAMESPACE))
        self.sent.append((patch, subresource))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def objects_with(answer: Manifest | Exception) -> tuple[CachedObjects, Cache, FakeApi]:
    cache, api = Cache(KEYS), FakeApi(answer)
    cache.put(VECTOR_COLLECTION, collection())
    untyped: Any = api
    return CachedObjects(cache, untyped), cache, api


async def test_a_patch_takes_effect_on_the_version_that_was_read_only() -> None:
    """Uid and resourceVersion travel with every patch, beside what it changes."""
    objects, cache, api = objects_with(collection(resourceVersion="8"))
    await objects.patch(VECTOR_COLLECTION, collection(), {"metadata": {"finalizers": ["x"]}})
    await objects.patch_status(VECTOR_COLLECTION, collection(), {"origin": "Created"})
    version = {"uid": "uid-of-test01", "resourceVersion": "7"}
    assert api.sent == [
        ({"metadata": {"finalizers": ["x"], **version}}, ""),
        ({"status": {"origin": "Created"}, "metadata": version}, "status"),
    ]
    stored = cache.get(VECTOR_COLLECTION, KEY)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == "8"


async def test_an_object_that_is_not_there_leaves_the_cache() -> None:
    """404 is news: the object is gone."""
    objects, cache, _ = objects_with(NotFound("gone"))
    with pytest.raises(NotFound):
        await objects.patch(VECTOR_COLLECTION, collection(), {})
    assert cache.get(VECTOR_COLLECTION, KEY) is None


async def test_a_conflict_leaves_the_cache_as_it_is() -> None:
    """409 says that newer news is on its way, not what it is."""
    objects, cache, _ = objects_with(Conflict("changed"))
    with pytest.raises(Conflict):
        await objects.patch(VECTOR_COLLECTION, collection(), {})
    assert cache.get(VECTOR_COLLECTION, KEY) is not None


async def test_taking_the_last_finalizer_away_ends_an_object() -> None:
    """An object in deletion that has no finalizer left is gone, before any event says so."""
    objects, cache, _ = objects_with(
        collection(resourceVersion="8", deletionTimestamp="2024-05-02T10:00:00Z")
    )
    await objects.patch(VECTOR_COLLECTION, collection(), {"metadata": {"finalizers": None}})
    assert cache.get(VECTOR_COLLECTION, KEY) is None


async def test_an_answer_is_read_as_news_is() -> None:
    """The claim of an answer counts as one that a watch brought: if the operator has signed it."""
    written = intended(claim(), resourceVersion="8")
    objects, cache, _ = objects_with(written)
    answer = await objects.patch(VECTOR_COLLECTION, collection(), {})
    assert answer == cache.get(VECTOR_COLLECTION, KEY)
    assert claim_of(answer) == claim()


async def test_an_answer_that_newer_news_has_overtaken_is_read_too() -> None:
    """Who wrote it goes by what was written, whatever others did meanwhile."""
    objects, cache, _ = objects_with(intended(claim(), resourceVersion="8"))
    cache.put(VECTOR_COLLECTION, collection(resourceVersion="9"), ours=True)
    assert claim_of(await objects.patch(VECTOR_COLLECTION, collection(), {})) == claim()
    stored = cache.get(VECTOR_COLLECTION, KEY)
    assert stored is not None
    assert stored["metadata"]["resourceVersion"] == "9"


async def test_what_is_merged_needs_the_object_and_no_version() -> None:
    """Others may write beside it; an object made anew under the name takes nothing."""
    objects, cache, api = objects_with(engine(resourceVersion="12"))
    key = Key(NAMESPACE, "engine")
    await objects.merge_status(VECTOR_ENGINE, key, "uid-of-engine", {"retained": {"a": "b"}})
    metadata = {"uid": "uid-of-engine"}
    assert api.sent == [({"metadata": metadata, "status": {"retained": {"a": "b"}}}, "status")]
    assert cache.get(VECTOR_ENGINE, key) is not None


def test_the_addresses_of_all_engine_pods_are_known() -> None:
    """Of whatever engine and namespace; a pod that has none yet counts for nothing."""
    objects, cache, _ = objects_with(collection())
    elsewhere = pod("other-0", ip="fd00::1")
    elsewhere["metadata"]["namespace"] = "team-b"
    for manifest in (pod(), elsewhere, pod("engine-1", ip=None)):
        cache.put(POD, manifest)
    assert objects.pod_addresses() == {"10.0.0.7", "fd00::1"}
