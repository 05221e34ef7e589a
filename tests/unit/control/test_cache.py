"""The cache holds the newest of each object, in whatever order it hears of it."""

from typing import Any

import msgspec
import pytest

from quiver.control.cache.cache import Cache, Change
from quiver.control.cache.trim import RECONCILE_ANNOTATION
from quiver.domain.claims import KEY_BYTES, ClaimKeys
from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, Key, Manifest
from quiver.domain.placement import NO_LOAD, Load
from support.builders import KEYS, NAMESPACE, claim, claimed, collection, intended, pod

KEY = Key(NAMESPACE, "test01")
ENGINE = Key(NAMESPACE, "engine")


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def changes(cache: Cache) -> list[Change]:
    seen: list[Change] = []
    cache.subscribe(seen.append)
    return seen


def at(version: int, **rest: Any) -> Manifest:
    return collection(resourceVersion=str(version), **rest)


def version_in(cache: Cache) -> str | None:
    found = cache.get(VECTOR_COLLECTION, KEY)
    return None if found is None else found["metadata"]["resourceVersion"]


def test_an_older_version_is_passed_over(cache: Cache, changes: list[Change]) -> None:
    """Versions are numbers: 10 is newer than 9, and what is older or the same changes nothing."""
    for version in (9, 10, 9, 10):
        cache.put(VECTOR_COLLECTION, at(version))
    assert version_in(cache) == "10"
    assert len(changes) == 2


def test_an_object_made_anew_replaces_the_old_one(cache: Cache, changes: list[Change]) -> None:
    """An object of the same name with another uid takes the place; the old one cannot come back."""
    cache.put(VECTOR_COLLECTION, at(5, uid="first"))
    cache.put(VECTOR_COLLECTION, at(8, uid="second"))
    cache.put(VECTOR_COLLECTION, at(99, uid="first"))
    assert version_in(cache) == "8"
    assert len(changes) == 2


def test_what_is_gone_stays_gone(cache: Cache) -> None:
    """A list that was read before the deletion does not bring the object back."""
    cache.put(VECTOR_COLLECTION, at(5))
    cache.remove(VECTOR_COLLECTION, KEY, "uid-of-test01")
    cache.put(VECTOR_COLLECTION, at(6))
    assert version_in(cache) is None


def test_a_deletion_spares_the_successor(cache: Cache) -> None:
    """News that the old object is gone leaves the new one of the same name alone."""
    cache.put(VECTOR_COLLECTION, at(8, uid="second"))
    cache.remove(VECTOR_COLLECTION, KEY, "first")
    assert version_in(cache) == "8"


def test_a_list_evicts_ghosts_and_nothing_newer(cache: Cache, changes: list[Change]) -> None:
    """An object that a list lacks is gone, unless it was made after the list was read."""
    cache.put(VECTOR_COLLECTION, collection("ghost", resourceVersion="5"))
    cache.put(VECTOR_COLLECTION, collection("newborn", resourceVersion="21"))
    cache.replace(VECTOR_COLLECTION, [collection("missed", resourceVersion="12")], "20")
    names = {m["metadata"]["name"] for m in cache.all(VECTOR_COLLECTION)}
    assert names == {"newborn", "missed"}
    assert changes[-1].new is None


def test_a_list_of_one_namespace_evicts_nothing_of_another(cache: Cache) -> None:
    """What it lacks is gone only from the namespace that it is of."""
    for namespace in ("team-a", "team-b"):
        ghost = collection("ghost", namespace=namespace, uid=namespace, resourceVersion="5")
        cache.put(VECTOR_COLLECTION, ghost)
    cache.replace(VECTOR_COLLECTION, [], "20", namespace="team-b")
    assert [m["metadata"]["namespace"] for m in cache.all(VECTOR_COLLECTION)] == ["team-a"]


def test_during_a_write_others_news_waits(cache: Cache, changes: list[Change]) -> None:
    """The watch's echo of a write that is not answered yet is nobody else's change."""
    cache.put(VECTOR_COLLECTION, at(5))
    with cache.writing(VECTOR_COLLECTION, KEY):
        cache.put(VECTOR_COLLECTION, at(6))
        assert version_in(cache) == "5"
        cache.put(VECTOR_COLLECTION, at(6), ours=True)
    assert [change.ours for change in changes] == [False, True]


def test_after_a_write_held_news_counts(cache: Cache, changes: list[Change]) -> None:
    """Somebody else's change that came during a write is not lost."""
    cache.put(VECTOR_COLLECTION, at(5))
    with cache.writing(VECTOR_COLLECTION, KEY):
        cache.put(VECTOR_COLLECTION, at(7))
        cache.put(VECTOR_COLLECTION, at(6), ours=True)
    assert version_in(cache) == "7"
    assert not changes[-1].ours


def test_a_deletion_during_a_write_counts(cache: Cache) -> None:
    """An object that vanished during a write is gone after it."""
    cache.put(VECTOR_COLLECTION, at(5))
    with cache.writing(VECTOR_COLLECTION, KEY):
        cache.remove(VECTOR_COLLECTION, KEY, "uid-of-test01")
        cache.put(VECTOR_COLLECTION, at(6), ours=True)
    assert version_in(cache) is None


def test_an_engines_collections_are_found(cache: Cache) -> None:
    """Collections are found by engine and by the name they want on it, until they are gone."""
    cache.put(VECTOR_COLLECTION, collection("a"))
    cache.put(VECTOR_COLLECTION, collection("b", spec={"collectionName": "a"}))
    cache.put(VECTOR_COLLECTION, collection("c", spec={"engineRef": {"name": "other"}}))
    assert len(list(cache.collections_of(ENGINE))) == 2
    assert len(list(cache.namesakes(ENGINE, "a"))) == 2
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "a"), "uid-of-a")
    assert len(list(cache.collections_of(ENGINE))) == 1
    assert [m["metadata"]["name"] for m in cache.namesakes(ENGINE, "a")] == ["b"]


def test_a_members_load_is_known(cache: Cache) -> None:
    """Claimed collections count with the partitions that are there, as long as they are."""
    there = claimed(claim("a"), "a", status={"partitions": ["x", "y"]})
    cache.put(VECTOR_COLLECTION, there)
    cache.put(VECTOR_COLLECTION, claimed(claim("b"), "b"))
    assert cache.load_of(ENGINE) == Load({"engine-0": 4}, {NAMESPACE: 4})
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "a"), "uid-of-a", ours=True)
    assert cache.load_of(ENGINE) == Load({"engine-0": 1}, {NAMESPACE: 1})
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "b"), "uid-of-b", ours=True)
    assert cache.load_of(ENGINE) == NO_LOAD


def test_what_is_being_deleted_is_load_that_goes(cache: Cache) -> None:
    """It counts until it is gone, and whoever waits for room knows that it will be."""
    going = claimed(claim("a"), "a", deletionTimestamp="2024-05-02T10:00:00Z")
    cache.put(VECTOR_COLLECTION, going)
    cache.put(VECTOR_COLLECTION, claimed(claim("b"), "b"))
    one, two = ({"engine-0": number} for number in (1, 2))
    assert cache.load_of(ENGINE) == Load(two, {NAMESPACE: 2}, one, {NAMESPACE: 1})
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "a"), "uid-of-a", ours=True)
    assert cache.load_of(ENGINE) == Load(one, {NAMESPACE: 1})


def test_a_wish_is_no_load(cache: Cache) -> None:
    """What a spec asks for costs nobody room until it is claimed, and its partitions until they are
    made: a wish may be one that is refused.
    """
    many = {"partitions": [f"p{number}" for number in range(4096)]}
    cache.put(VECTOR_COLLECTION, collection("unclaimed", spec=many))
    assert cache.load_of(ENGINE) == NO_LOAD
    cache.put(VECTOR_COLLECTION, claimed(claim("a"), "a", spec=many))
    assert cache.load_of(ENGINE) == Load({"engine-0": 1}, {NAMESPACE: 1})


def test_each_namespaces_share_of_an_engine_is_known(cache: Cache) -> None:
    """On all members together; another engine's collections are no part of it."""
    ours = claimed(claim("a"), "a")
    elsewhere = claimed(claim("b", member="engine-1"), "b")
    reference = {"engineRef": {"name": "engine", "namespace": NAMESPACE}}
    guest = claimed(claim("c", member="engine-1"), "c", spec=reference, namespace="team-b")
    other = claimed(claim("d", member="other-0"), "d", spec={"engineRef": {"name": "other"}})
    for manifest in (ours, elsewhere, guest, other):
        cache.put(VECTOR_COLLECTION, manifest)
    assert cache.load_of(ENGINE) == Load(
        {"engine-0": 1, "engine-1": 2}, {NAMESPACE: 2, "team-b": 1}
    )


def test_a_load_follows_its_object(cache: Cache) -> None:
    """A claim that moves, and partitions that come and go, count as they stand now."""
    held = claimed(claim(), status={"partitions": ["x"]})
    moved = claimed(claim(member="engine-1"), resourceVersion="8")
    cache.put(VECTOR_COLLECTION, held)
    cache.put(VECTOR_COLLECTION, moved)
    assert cache.load_of(ENGINE).members == {"engine-1": 1}
    cache.put(VECTOR_COLLECTION, collection(resourceVersion="9"))
    assert cache.load_of(ENGINE) == NO_LOAD


def test_a_claim_that_is_not_believed_is_no_load() -> None:
    """Whoever writes annotations takes nobody's room, and stands in nobody's way."""
    cache = Cache(KEYS)
    forged = intended(claim(), keys=ClaimKeys([b"x" * KEY_BYTES]))
    cache.put(VECTOR_COLLECTION, forged)
    assert cache.load_of(ENGINE) == NO_LOAD
    assert list(cache.claimants(ENGINE, claim())) == []
    cache.put(VECTOR_COLLECTION, intended(claim(), resourceVersion="8"))
    assert cache.load_of(ENGINE).members == {"engine-0": 1}
    assert len(list(cache.claimants(ENGINE, claim()))) == 1


def test_who_claims_a_collection_is_found_on_whatever_engine(cache: Cache) -> None:
    """By the engine or by the server; each once, and not for what it merely wishes."""
    endpoint = "milvus.example.org:19530"
    server = "address:10.0.0.9:19530"
    held = claim("docs", engine="other", member=endpoint, server=server)
    cache.put(VECTOR_COLLECTION, claimed(held, "docs", spec={"engineRef": {"name": "other"}}))
    cache.put(VECTOR_COLLECTION, collection("wish", spec={"collectionName": "docs"}))

    def found(**changes: Any) -> list[str]:
        twin = msgspec.structs.replace(held, engine_uid="uid-of-engine", **changes)
        return [m["metadata"]["name"] for m in cache.claimants(ENGINE, twin)]

    assert found() == found(member="10.0.0.9:19530") == found(server=None) == ["docs"]
    assert found(member="engine-0") == found(collection_name="images") == []
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "docs"), "uid-of-docs")
    assert found() == []


def test_what_nobody_reads_is_not_kept(cache: Cache) -> None:
    """Managed fields, kubectl's copy of the manifest and most of a pod stay out of memory."""
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    kept = {"quiver.dev/reconcile": "1"}
    cache.put(
        VECTOR_COLLECTION, collection(managedFields=[{}], annotations={applied: "{}", **kept})
    )
    cache.put(POD, {**pod(), "spec": {"nodeName": "n1", "containers": [{"env": []}]}})
    found = cache.get(VECTOR_COLLECTION, KEY)
    assert found is not None
    assert "managedFields" not in found["metadata"]
    assert found["metadata"]["annotations"] == kept
    (stored,) = cache.all(POD)
    assert stored["spec"] == {"nodeName": "n1"}
    assert (stored["apiVersion"], stored["kind"]) == ("v1", "Pod")


def test_what_is_taken_away_past_its_finalizer_counts_until_it_is_recorded(cache: Cache) -> None:
    """Its collection is still on the engine. Another object of the name changes nothing there."""
    there, key = claimed(claim("a"), "a", status={"partitions": ["x"]}), Key(NAMESPACE, "a")
    cache.put(VECTOR_COLLECTION, there)
    cache.put(VECTOR_COLLECTION, collection("a", uid="another", resourceVersion="8"))
    (abandoned,) = cache.abandoned(key)
    assert abandoned["metadata"]["uid"] == "uid-of-a"
    assert cache.load_of(ENGINE) == Load({"engine-0": 2}, {NAMESPACE: 2})
    cache.forget_abandoned(abandoned)
    assert (cache.abandoned(key), cache.load_of(ENGINE)) == ((), NO_LOAD)


@pytest.mark.parametrize("manifest", [claimed(claim("a"), "a"), collection("a")])
def test_what_is_released_or_has_no_claim_is_not_abandoned(
    cache: Cache, manifest: Manifest
) -> None:
    """There is nothing left of it on the engine."""
    key = Key(NAMESPACE, "a")
    cache.put(VECTOR_COLLECTION, manifest)
    cache.remove(VECTOR_COLLECTION, key, "uid-of-a", ours="claim" in manifest["status"])
    assert cache.abandoned(key) == ()


def replaced(cache: Cache, version: str, *listed: Manifest) -> bool:
    """Have a list replace all that is known at its request."""
    mark = cache.mark(VECTOR_COLLECTION)
    return cache.replace(VECTOR_COLLECTION, listed, version, mark=mark)


def test_a_list_from_before_is_believed(cache: Cache, changes: list[Change]) -> None:
    """The store was restored: what was made since is gone, what was changed is as it was."""
    cache.put(VECTOR_COLLECTION, at(90))
    cache.put(VECTOR_COLLECTION, collection("ghost", resourceVersion="95"))
    changes.clear()
    assert replaced(cache, "40", at(30))
    assert [m["metadata"]["name"] for m in cache.all(VECTOR_COLLECTION)] == ["test01"]
    assert version_in(cache) == "30"
    assert len(changes) == 2
    cache.put(VECTOR_COLLECTION, at(41))
    assert version_in(cache) == "41"
    assert not replaced(cache, "41", at(41))


def test_an_object_that_was_gone_comes_back_with_the_store(cache: Cache) -> None:
    """It has the uid that it had; an old event still does not bring it back."""
    cache.put(VECTOR_COLLECTION, at(30))
    cache.put(VECTOR_COLLECTION, collection("other", resourceVersion="60"))
    cache.remove(VECTOR_COLLECTION, KEY, "uid-of-test01")
    cache.put(VECTOR_COLLECTION, at(30))
    assert version_in(cache) is None
    assert replaced(cache, "40", at(30))
    assert version_in(cache) == "30"


def test_a_store_that_has_overtaken_what_was_known_is_found_out_too(cache: Cache) -> None:
    """Many were written since the restore: the list is newer than all that is known, and has an
    object in an older version.
    """
    cache.put(VECTOR_COLLECTION, at(90))
    cache.put(VECTOR_COLLECTION, collection("ghost", resourceVersion="95"))
    assert not replaced(cache, "200", at(30))
    assert version_in(cache) == "30"
    assert len(list(cache.all(VECTOR_COLLECTION))) == 1


def test_a_version_that_is_given_out_again_is_another(cache: Cache) -> None:
    """A restored store counts on from where it was: the same version says something else."""
    cache.put(VECTOR_COLLECTION, at(50, annotations={RECONCILE_ANNOTATION: "then"}))
    cache.put(VECTOR_COLLECTION, collection("newest", resourceVersion="95"))
    assert replaced(cache, "60", at(50, annotations={RECONCILE_ANNOTATION: "now"}))
    found = cache.get(VECTOR_COLLECTION, KEY)
    assert found is not None
    assert found["metadata"]["annotations"] == {RECONCILE_ANNOTATION: "now"}


def test_what_came_while_a_list_was_read_is_newer_than_it(cache: Cache) -> None:
    """Changes and deletions since its request are no sign of a store that went back."""
    cache.put(VECTOR_COLLECTION, at(30))
    cache.put(VECTOR_COLLECTION, collection("deleted", resourceVersion="31"))
    mark = cache.mark(VECTOR_COLLECTION)
    cache.put(VECTOR_COLLECTION, at(42))
    cache.put(VECTOR_COLLECTION, collection("newborn", resourceVersion="43"))
    cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "deleted"), "uid-of-deleted")
    listed = [at(30), collection("deleted", resourceVersion="31")]
    assert not cache.replace(VECTOR_COLLECTION, listed, "40", mark=mark)
    names = {m["metadata"]["name"] for m in cache.all(VECTOR_COLLECTION)}
    assert names == {"test01", "newborn"}
    assert version_in(cache) == "42"


def test_a_write_under_way_is_answered_before_the_store_goes_back(cache: Cache) -> None:
    """Its answer is from before; the list counts once it is stored."""
    cache.put(VECTOR_COLLECTION, at(90))
    with cache.writing(VECTOR_COLLECTION, KEY):
        assert replaced(cache, "40", at(30))
        assert version_in(cache) == "90"
        cache.put(VECTOR_COLLECTION, at(91), ours=True)
    assert version_in(cache) == "91"
    replaced(cache, "41", at(30))
    assert version_in(cache) == "30"
