"""Which objects a change wakes."""

from collections.abc import Callable
from typing import Any

import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.triggers import Triggers
from quiver.domain.claims import CLAIM_ANNOTATION
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    POD,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from support.builders import KEYS, NAMESPACE, claim, claimed, collection, engine, intended, pod

Woken = set[tuple[str, str]]
OURS, ENGINE = ("collection", "test01"), ("engine", "engine")
BOTH = {("collection", "test01"), ("collection", "other")}
DELETING = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
UNSCHEDULABLE = {"conditions": [{"type": "Ready", "status": "False", "reason": "Unschedulable"}]}


class TriggerSetup:
    """A cache with two collections and their engine, and what has been woken since it was asked
    last.
    """

    def __init__(self) -> None:
        self.cache = Cache(KEYS)
        self._woken: Woken = set()
        self.cache.put(VECTOR_ENGINE, engine(resourceVersion="1"))
        self.cache.put(VECTOR_COLLECTION, collection(resourceVersion="1"))
        self.cache.put(VECTOR_COLLECTION, collection("other", resourceVersion="1"))
        self.cache.put(POD, pod())
        add_engine, soon = self._adder("engine"), self._adder("engine soon")
        listen = Triggers(self.cache, self._adder("collection"), add_engine, soon)
        self.cache.subscribe(listen)

    def _adder(self, kind: str) -> Callable[[Key], None]:
        return lambda key: self._woken.add((kind, key.name))

    def woken(self) -> Woken:
        woken, self._woken = self._woken, set()
        return woken


@pytest.fixture
def setup() -> TriggerSetup:
    return TriggerSetup()


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        ({"generation": 2}, {OURS}),
        ({"finalizers": ["someone/else"]}, {OURS}),
        ({"annotations": {"quiver.dev/reconcile": "x"}}, {OURS}),
        (DELETING, {OURS}),
        ({"status": {"collectionName": "overwritten"}}, {OURS}),
        ({"annotations": {"example.com/note": "x"}}, set()),
        ({"labels": {"app": "x"}}, set()),
        ({"ownerReferences": [{}]}, set()),
    ],
)
def test_a_collection_wakes_itself_when_it_matters(
    setup: TriggerSetup, change: dict[str, Any], woken: Woken
) -> None:
    """A change of anything that a reconcile reads wakes the object, and so does the annotation that
    asks for a look; other annotations, labels and owners do not.
    """
    setup.cache.put(VECTOR_COLLECTION, collection(resourceVersion="2", **change))
    assert setup.woken() == woken


def test_our_own_write_is_no_news(setup: TriggerSetup) -> None:
    """Neither the answer to an own write nor its echo on the watch wakes anybody."""
    written = intended(claim(), resourceVersion="2")
    setup.cache.put(VECTOR_COLLECTION, written, ours=True)
    setup.cache.put(VECTOR_COLLECTION, written)
    assert setup.woken() == set()


def test_a_new_collection_wakes_itself(setup: TriggerSetup) -> None:
    """An object that appears is reconciled."""
    setup.cache.put(VECTOR_COLLECTION, collection("new"))
    assert setup.woken() == {("collection", "new")}


def test_a_claim_that_is_not_believed_is_no_news(setup: TriggerSetup) -> None:
    """Whoever writes something into that annotation has nobody look at the object for it."""
    for version, text in (("2", "one"), ("3", "another")):
        annotations = {CLAIM_ANNOTATION: text, "example.com/note": "x"}
        manifest = collection(resourceVersion=version, annotations=annotations)
        setup.woken()
        setup.cache.put(VECTOR_COLLECTION, manifest)
    assert setup.woken() == set()


@pytest.mark.parametrize("ours", [False, True])
def test_a_deletion_wakes_namesakes_and_the_engine(setup: TriggerSetup, ours: bool) -> None:
    """Whoever waits for the name gets its turn, and the engine may scale down now."""
    heir = collection("heir", spec={"collectionName": "test01"}, resourceVersion="1")
    setup.cache.put(VECTOR_COLLECTION, heir)
    setup.woken()
    setup.cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "test01"), "uid-of-test01", ours=ours)
    itself: Woken = set() if ours else {OURS}
    assert setup.woken() == {("collection", "heir"), ("engine soon", "engine"), *itself}


def test_a_deletion_wakes_who_wants_what_was_held(setup: TriggerSetup) -> None:
    """It may have held another name than it wished for: a spec can be changed past the CRD."""
    held = claimed(claim(collection_name="docs"), resourceVersion="2")
    setup.cache.put(VECTOR_COLLECTION, held)
    heir = collection("heir", spec={"collectionName": "docs"}, resourceVersion="1")
    setup.cache.put(VECTOR_COLLECTION, heir)
    setup.woken()
    setup.cache.remove(VECTOR_COLLECTION, Key(NAMESPACE, "test01"), "uid-of-test01", ours=True)
    assert setup.woken() == {("collection", "heir"), ("engine soon", "engine")}


@pytest.mark.parametrize(
    ("manifest", "woken"),
    [
        (engine(resourceVersion="2", labels={"app": "x"}), {ENGINE}),
        (engine(resourceVersion="2", generation=2), {ENGINE, *BOTH}),
        ({**engine(resourceVersion="2"), "status": UNSCHEDULABLE}, {ENGINE, *BOTH}),
        ({**engine(resourceVersion="2"), "status": READY}, {ENGINE, *BOTH}),
        (engine(resourceVersion="2", status={"version": "v2.6.4"}), {ENGINE, *BOTH}),
        (engine(resourceVersion="2", uid="another"), {ENGINE, *BOTH}),
        (engine(resourceVersion="2", **DELETING), {ENGINE, *BOTH}),
    ],
)
def test_an_engine_wakes_its_collections_when_it_concerns_them(
    setup: TriggerSetup, manifest: Manifest, woken: Woken
) -> None:
    """An engine's collections are woken by its spec, by its version, by how and why it is
    (un)ready, by its replacement and its deletion.
    """
    setup.cache.put(VECTOR_ENGINE, manifest)
    assert setup.woken() == woken


@pytest.mark.parametrize(("status", "woken"), [("False", BOTH), ("True", set())])
def test_what_an_unready_engine_says_wakes_its_collections(
    setup: TriggerSetup, status: str, woken: Woken
) -> None:
    """They repeat what it says, so new words are news to them; those of a ready one are not."""
    for version, message in (("2", "no GPU is free"), ("3", "no node has a GPU")):
        ready = {"type": "Ready", "status": status, "reason": "R", "message": message}
        setup.woken()
        manifest = {**engine(resourceVersion=version), "status": {"conditions": [ready]}}
        setup.cache.put(VECTOR_ENGINE, manifest, ours=True)
    assert setup.woken() == woken


def test_our_word_that_an_engine_is_ready_wakes_its_collections(setup: TriggerSetup) -> None:
    """The engine's reconcile writes its readiness itself, and that is the collections' news all the
    same.
    """
    setup.cache.put(VECTOR_ENGINE, {**engine(resourceVersion="2"), "status": READY}, ours=True)
    assert setup.woken() == BOTH


def test_an_engine_that_vanishes_wakes_its_collections(setup: TriggerSetup) -> None:
    """Collections of an engine that is gone are let go."""
    setup.cache.remove(VECTOR_ENGINE, Key(NAMESPACE, "engine"), "uid-of-engine")
    assert setup.woken() == {ENGINE, *BOTH}


@pytest.mark.parametrize(
    ("manifest", "woken"),
    [
        (pod(ready=False), {ENGINE, *BOTH}),
        (pod(ip="10.0.0.8"), {ENGINE, *BOTH}),
        (pod(), {ENGINE}),
    ],
)
def test_a_pod_wakes_its_engine_and_maybe_the_collections(
    setup: TriggerSetup, manifest: Manifest, woken: Woken
) -> None:
    """Collections care for a pod's readiness and address only."""
    manifest["metadata"]["resourceVersion"] = "8"
    setup.cache.put(POD, manifest)
    assert setup.woken() == woken


def test_a_pod_that_vanishes_wakes_engine_and_collections(setup: TriggerSetup) -> None:
    """A pod that is gone has no collections to offer."""
    setup.cache.remove(POD, Key(NAMESPACE, "engine-0"), "uid-of-engine-0")
    assert setup.woken() == {ENGINE, *BOTH}


@pytest.mark.parametrize(("ours", "woken"), [(False, {ENGINE}), (True, set())])
def test_a_statefulset_wakes_its_engine(setup: TriggerSetup, ours: bool, woken: Woken) -> None:
    """What somebody else does to an engine's StatefulSet is looked into; our own apply is not."""
    manifest = engine(labels={ENGINE_LABEL: "engine"})
    setup.cache.put(STATEFUL_SET, manifest, ours=ours)
    assert setup.woken() == woken
