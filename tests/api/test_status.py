"""What status looks like before Quiver writes it, and what Quiver may write."""

from __future__ import annotations

from typing import Any

import pytest

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "All is well.",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
COLLECTION_STATUS = {
    "observedGeneration": 1,
    "conditions": [READY],
    "collectionName": "test01",
    "origin": "Created",
    "claim": {
        "objectUID": "0c1b6b8c-4a3e-4d2e-8b39-0e1d5b7f9a11",
        "engineUID": "7d2f4c1e-9b1a-4c55-9d0e-5f7a3c2b1d00",
        "member": "main-0",
        "collectionName": "test01",
    },
    "placement": {"pod": "main-0", "endpoint": "main-0.main.team.svc:19530"},
    "partitions": ["y2024"],
    "indexFileSize": 1024,
    "metricType": "L2",
    "index": {"type": "IVF_PQ", "params": {"nlist": 1024, "m": 16, "nbits": "8"}},
    "milvus": {
        "load": "Loading",
        "properties": ["collection.ttl.seconds"],
        "fields": [{"name": "tags", "maxLength": 65535, "maxCapacity": 4096}],
        "functions": ["bm25"],
        "dynamicFields": True,
    },
    "binding": {"name": "test01-binding"},
}
ADOPTED = {"origin": "Adopted", "claim": {"origin": "Adopted"}, "index": {"type": "HNSW"}}
ENGINE_STATUS = {
    "observedGeneration": 1,
    "conditions": [READY],
    "replicas": 2,
    "readyReplicas": 1,
    "selector": "app.kubernetes.io/instance=main",
    "version": "v2.6.4",
}
CONDITION = "status.conditions[0]"
REFUSED_CONDITIONS = {
    "no type": ({"type": None}, f"{CONDITION}.type", "Required"),
    "a wrong type": ({"type": "not ready"}, f"{CONDITION}.type", "should match"),
    "a long type": ({"type": "a" * 317}, f"{CONDITION}.type", "than 316"),
    "no status": ({"status": None}, f"{CONDITION}.status", "Required"),
    "another status": ({"status": "Yes"}, f"{CONDITION}.status", '"True", "False", "Unknown"'),
    "no reason": ({"reason": None}, f"{CONDITION}.reason", "Required"),
    "an empty reason": ({"reason": ""}, f"{CONDITION}.reason", "at least 1"),
    "a sentence as reason": ({"reason": "It is so"}, f"{CONDITION}.reason", "should match"),
    "a long reason": ({"reason": "A" * 1025}, f"{CONDITION}.reason", "than 1024"),
    "no message": ({"message": None}, f"{CONDITION}.message", "Required"),
    "a long message": ({"message": "a" * 32769}, f"{CONDITION}.message", "than 32768"),
    "no time": ({"lastTransitionTime": None}, f"{CONDITION}.lastTransitionTime", "Required"),
    "a wrong time": ({"lastTransitionTime": "now"}, f"{CONDITION}.lastTransitionTime", "date-time"),
    "generation -1": ({"observedGeneration": -1}, f"{CONDITION}.observedGeneration", "equal to 0"),
}
REFUSED_COLLECTION_STATUS = {
    "generation -1": ({"observedGeneration": -1}, "status.observedGeneration", "equal to 0"),
    "another origin": ({"origin": "Found"}, "status.origin", '"Created", "Adopted"'),
    "another claimed origin": ({"claim": {"origin": "Found"}}, "status.claim.origin", '"Adopted"'),
    "a segment of 0 MB": ({"indexFileSize": 0}, "status.indexFileSize", "equal to 1"),
    "a segment too large": ({"indexFileSize": 131073}, "status.indexFileSize", "equal to 131072"),
    "another metric": ({"metricType": "BM25"}, "status.metricType", '"L2", "IP"'),
    "another index": ({"index": {"type": "FLAT"}}, "status.index.type", '"IVF_FLAT"'),
    "an index without a type": ({"index": {}}, "status.index.type", "Required"),
    "half a parameter": (
        {"index": {"type": "ANNOY", "params": {"n_trees": 1.5}}},
        "status.index.params.n_trees",
        "of type integer",
    ),
    "33 parameters": (
        {"index": {"type": "ANNOY", "params": {f"p{n}": n for n in range(33)}}},
        "status.index.params",
        "at most 32",
    ),
    "another load": ({"milvus": {"load": "Half"}}, "status.milvus.load", '"NotLoaded"'),
    "65 properties": (
        {"milvus": {"properties": [f"p{n}" for n in range(65)]}},
        "status.milvus.properties",
        "at most 64",
    ),
    "65 fields": (
        {"milvus": {"fields": [{"name": f"f{n}"} for n in range(65)]}},
        "status.milvus.fields",
        "at most 64",
    ),
    "17 functions": (
        {"milvus": {"functions": [f"f{n}" for n in range(17)]}},
        "status.milvus.functions",
        "at most 16",
    ),
    "a binding without a name": ({"binding": {}}, "status.binding.name", "Required"),
    "a long binding": ({"binding": {"name": "a" * 254}}, "status.binding.name", "than 253"),
    "a long name": ({"collectionName": "a" * 512}, "status.collectionName", "than 511"),
    "a long endpoint": ({"placement": {"endpoint": "a" * 260}}, "status.placement.endpoint", "259"),
    "a long pod": ({"placement": {"pod": "a" * 254}}, "status.placement.pod", "than 253"),
    "a long member": ({"claim": {"member": "a" * 260}}, "status.claim.member", "than 259"),
    "a long uid": ({"claim": {"objectUID": "a" * 129}}, "status.claim.objectUID", "than 128"),
    "a long engine uid": ({"claim": {"engineUID": "a" * 129}}, "status.claim.engineUID", "128"),
    "a long claimed name": (
        {"claim": {"collectionName": "a" * 512}},
        "status.claim.collectionName",
        "than 511",
    ),
    "a long tag": ({"partitions": ["a" * 256]}, "status.partitions[0]", "than 255"),
    "4097 tags": ({"partitions": [f"{n}" for n in range(4097)]}, "status.partitions", "4096"),
    "a condition twice": ({"conditions": [READY, READY]}, "status.conditions[1]", "Duplicate"),
    "nine conditions": (
        {"conditions": [READY | {"type": f"T{n}"} for n in range(9)]},
        "status.conditions",
        "at most 8",
    ),
}
REFUSED_ENGINE_STATUS = {
    "generation -1": ({"observedGeneration": -1}, "status.observedGeneration", "equal to 0"),
    "-1 replicas": ({"replicas": -1}, "status.replicas", "equal to 0"),
    "-1 ready replicas": ({"readyReplicas": -1}, "status.readyReplicas", "equal to 0"),
    "a long selector": ({"selector": "a" * 1025}, "status.selector", "than 1024"),
    "a long version": ({"version": "a" * 65}, "status.version", "than 64"),
    "17 conditions": (
        {"conditions": [READY | {"type": f"T{n}"} for n in range(17)]},
        "status.conditions",
        "at most 16",
    ),
}


@pytest.fixture(params=["collections", "engines"])
def resource(request: pytest.FixtureRequest) -> Any:
    """Each kind in turn."""
    return request.getfixturevalue(request.param)


def test_pending_at_first_sight(resource: Any) -> None:
    """An object that Quiver has not seen yet says Unknown, Pending, though nobody wrote it."""
    resource.create({}, name="pending")
    assert resource.get("pending")["status"] == {
        "conditions": [
            {
                "type": "Ready",
                "status": "Unknown",
                "reason": "Pending",
                "message": "Waiting for the Quiver operator.",
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            }
        ]
    }


def test_collection_status_is_kept(collections: Any) -> None:
    """All that Quiver says of a collection is stored as it was written."""
    collections.create({}, name="kept")
    collections.patch_status("kept", COLLECTION_STATUS)
    assert collections.get("kept")["status"] == COLLECTION_STATUS


def test_adopted_status_is_kept(collections: Any) -> None:
    """All that Quiver says of a collection that it took over is stored as it was written."""
    collections.create({}, name="adopted")
    collections.patch_status("adopted", ADOPTED)
    kept = collections.get("adopted")["status"]
    assert {name: kept[name] for name in ADOPTED} == ADOPTED


def test_engine_status_is_kept(engines: Any) -> None:
    """All that Quiver says of an engine is stored as it was written."""
    engines.create({}, name="kept")
    engines.patch_status("kept", ENGINE_STATUS)
    assert engines.get("kept")["status"] == ENGINE_STATUS


def test_status_leaves_the_generation_alone(collections: Any) -> None:
    """Writing status is no change of what the collection shall be."""
    collections.create({}, name="same")
    after = collections.patch_status("same", COLLECTION_STATUS)
    assert after["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "field", "words"), REFUSED_CONDITIONS.values(), ids=REFUSED_CONDITIONS
)
def test_condition_refused(resource: Any, change: Any, field: str, words: str) -> None:
    """A condition that is not as in all of Kubernetes is refused."""
    condition = {name: value for name, value in (READY | change).items() if value is not None}
    found = resource.try_status({"conditions": [condition]})
    assert {refusal.field for refusal in found} == {field}
    assert words in " ".join(refusal.message for refusal in found)


@pytest.mark.parametrize(
    ("status", "field", "words"), REFUSED_COLLECTION_STATUS.values(), ids=REFUSED_COLLECTION_STATUS
)
def test_collection_status_refused(collections: Any, status: Any, field: str, words: str) -> None:
    """A status that no collection can have is refused."""
    found = collections.try_status(status)
    assert field in {refusal.field for refusal in found}
    assert words in " ".join(refusal.message for refusal in found)


@pytest.mark.parametrize(
    ("status", "field", "words"), REFUSED_ENGINE_STATUS.values(), ids=REFUSED_ENGINE_STATUS
)
def test_engine_status_refused(engines: Any, status: Any, field: str, words: str) -> None:
    """A status that no engine can have is refused."""
    found = engines.try_status(status)
    assert field in {refusal.field for refusal in found}
    assert words in " ".join(refusal.message for refusal in found)
