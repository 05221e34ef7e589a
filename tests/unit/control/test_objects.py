"""Writes go out with their preconditions, and their answers are in the cache."""

from typing import Any

import pytest

from builders import NAMESPACE, collection
from quiver.control.cache import Cache
from quiver.control.objects import CachedObjects
from quiver.domain.objects import VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.ports.errors import Conflict, NotFound

KEY = Key(NAMESPACE, "test01")


class FakeApi:
    """Answers each patch with what it was told to, and remembers what was sent."""

    def __init__(self, answer: Manifest | Exception) -> None:
        self.sent: list[tuple[Manifest, str]] = []
        self._answer = answer

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        assert (kind, key) == (VECTOR_COLLECTION, KEY)
        self.sent.append((patch, subresource))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def objects_with(answer: Manifest | Exception) -> tuple[CachedObjects, Cache, FakeApi]:
    cache, api = Cache(), FakeApi(answer)
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
