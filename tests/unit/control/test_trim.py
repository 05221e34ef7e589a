"""What the cache keeps of an object is what the operator reads, however much a tenant writes."""

from typing import Any

import msgspec
import pytest

from quiver.control.cache.trim import trim
from quiver.domain.claims import CLAIM_ANNOTATION
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import (
    MOST_FINALIZERS,
    POD,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Kind,
    Manifest,
)
from quiver.reconcile.engines.workload import service_for, stateful_set_for
from quiver.reconcile.matching import matches
from support.builders import claim, collection, engine, intended, pod

KIB = 2**10
TAGS = [f"{number:064}" for number in range(4095)]
MUCH = "x" * 128 * KIB
STUFFED = {
    "annotations": {"a": MUCH, "quiver.dev/reconcile": "now", CLAIM_ANNOTATION: MUCH},
    "labels": {f"l{number}": "x" * 63 for number in range(1000)},
    "managedFields": [{"fieldsV1": {f'v:"{tag}"': {} for tag in TAGS}}],
    "generateName": MUCH,
}


def size(manifest: Manifest) -> int:
    return len(msgspec.json.encode(manifest))


@pytest.mark.parametrize(
    ("kind", "manifest"),
    [(VECTOR_COLLECTION, collection()), (VECTOR_ENGINE, engine()), (POD, pod())],
    ids=["collection", "engine", "pod"],
)
def test_metadata_that_nobody_reads_is_not_kept(kind: Kind, manifest: Manifest) -> None:
    """Half a megabyte of annotations, labels and managed fields leaves a few hundred bytes."""
    stuffed = {**manifest, "metadata": {**manifest["metadata"], **STUFFED}}
    assert size(stuffed) > 500 * KIB
    assert size(trim(kind, stuffed)) < 2 * KIB


@pytest.mark.parametrize(
    ("kind", "manifest"),
    [
        (VECTOR_COLLECTION, collection()),
        (VECTOR_ENGINE, engine()),
        (POD, pod()),
        (STATEFUL_SET, {"metadata": engine()["metadata"]}),
    ],
    ids=["collection", "engine", "pod", "workload"],
)
def test_of_finalizers_and_owners_so_many_are_kept(kind: Kind, manifest: Manifest) -> None:
    """The API server takes any number. Of a hundred thousand some dozens are left."""
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    much = {"finalizers": [f"a/{n}" for n in range(100_000)], "ownerReferences": [owner] * 10_000}
    stuffed = {**manifest, "metadata": {**manifest["metadata"], **much}}
    assert size(trim(kind, stuffed)) < 4 * KIB


def test_an_object_with_too_many_finalizers_is_seen_to_be_invalid() -> None:
    """What was left out must not be taken off by a write of those that are known."""
    for number, is_valid in ((MOST_FINALIZERS, True), (MOST_FINALIZERS + 1, False)):
        manifest = collection(finalizers=[f"a/{n}" for n in range(number)])
        kept = trim(VECTOR_COLLECTION, manifest)
        if is_valid:
            assert msgspec.convert(kept, VectorCollection).metadata.finalizers[-1] == "a/32"
        else:
            with pytest.raises(msgspec.ValidationError, match="finalizers"):
                msgspec.convert(kept, VectorCollection)


def test_a_request_to_look_is_kept() -> None:
    """Another value of the annotation is a change, however long both are."""

    def kept(value: str) -> Any:
        asked = collection(annotations={"quiver.dev/reconcile": value})
        return trim(VECTOR_COLLECTION, asked)["metadata"]["annotations"]

    assert kept("now") == {"quiver.dev/reconcile": "now"}
    assert kept(MUCH) != kept(MUCH + "y")
    assert size(kept(MUCH)) < 200


def test_a_claim_is_kept_whole() -> None:
    """Its signature is of every letter."""
    manifest = intended(claim())
    assert trim(VECTOR_COLLECTION, manifest)["metadata"]["annotations"] == {
        CLAIM_ANNOTATION: manifest["metadata"]["annotations"][CLAIM_ANNOTATION]
    }


def test_partitions_are_kept_once() -> None:
    """What spec and status list alike is one list, and a tag that both have is one text."""
    alike = collection(spec={"partitions": TAGS}, status={"partitions": list(TAGS)})
    kept = trim(VECTOR_COLLECTION, alike)
    assert kept["status"]["partitions"] is kept["spec"]["partitions"]
    copies = [tag.encode().decode() for tag in TAGS[:100]]
    status = {"partitions": copies, "retainedPartitions": [*copies[:10], "old"]}
    partly = trim(VECTOR_COLLECTION, collection(spec={"partitions": TAGS}, status=status))
    assert partly["status"]["partitions"] == copies
    assert partly["status"]["retainedPartitions"] == [*copies[:10], "old"]
    assert partly["status"]["partitions"][7] is partly["spec"]["partitions"][7]


@pytest.mark.parametrize("partitions", [None, "a", [1, {}], {"a": "b"}])
def test_partitions_of_any_kind_are_kept(partitions: object) -> None:
    """A looser CRD may let them through: the reconcile says what is wrong with them."""
    kept = trim(VECTOR_COLLECTION, collection(spec={"partitions": partitions}))
    assert kept["spec"]["partitions"] == partitions


def test_what_is_applied_is_compared_with_what_is_kept() -> None:
    """Of StatefulSet and Service, all that Quiver sets is kept."""
    parsed = msgspec.convert(engine(), VectorEngine)
    workload = stateful_set_for(parsed, image="image:1", replicas=1)
    for kind, manifest in ((STATEFUL_SET, workload), (SERVICE, service_for(parsed))):
        live = {"uid": "u", "resourceVersion": "1", "managedFields": [{}]}
        stored = {**manifest, "metadata": {**manifest["metadata"], **live}}
        assert matches(manifest, trim(kind, stored))


def test_a_workload_that_cannot_be_quivers_leaves_little() -> None:
    """Anyone may label one as Quiver's."""
    stuffed = {
        "metadata": engine()["metadata"],
        "spec": {"template": {"spec": {"containers": [{"args": [MUCH, MUCH]}]}}},
    }
    assert size(trim(STATEFUL_SET, stuffed)) < KIB
