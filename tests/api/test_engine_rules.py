"""What a VectorEngine may say of itself, and what may be changed in it later."""

from __future__ import annotations

from typing import Any

import pytest

EXTERNAL = {"external": {"endpoints": ["milvus.example.org:19530"]}}
STORAGE = {"storage": {"size": "10Gi"}}
LIMIT = "spec.limits.maxCollectionsAndPartitions"
POLICY = "spec.defaultDeletionPolicy"
ACCEPTED = {
    "the least that can be said": {},
    "no replica": {"replicas": 0},
    "64 replicas": {"replicas": 64},
    "an image by digest": {"image": "localhost/engine@sha256:" + "0" * 64},
    "Milvus 1.x with an image": {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1"},
    "no limits said": {"limits": {}},
    "one collection a pod": {"limits": {"maxCollectionsAndPartitions": 1}},
    "8192 collections a pod": {"limits": {"maxCollectionsAndPartitions": 8192}},
    "Delete by default": {"defaultDeletionPolicy": "Delete"},
    "Retain by default": {"defaultDeletionPolicy": "Retain"},
    "upgrades by themselves": {"upgradePolicy": "Automatic"},
}
REFUSED = {
    "another type": ({"type": "Milvus2"}, "spec.type", '"Quiver", "Milvus1"'),
    "-1 replicas": ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    "65 replicas": ({"replicas": 65}, "spec.replicas", "less than or equal to 64"),
    "an empty image": ({"image": ""}, "spec.image", "at least 1"),
    "a blank in the image": ({"image": "a b"}, "spec.image", "should match"),
    "an image of 1025": ({"image": "a" * 1025}, "spec.image", "than 1024"),
    "Milvus 1.x without image": ({"type": "Milvus1"}, "spec.image", "required for type Milvus1"),
    "no collection a pod": ({"limits": {"maxCollectionsAndPartitions": 0}}, LIMIT, "equal to 1"),
    "8193 a pod": ({"limits": {"maxCollectionsAndPartitions": 8193}}, LIMIT, "at most 8192"),
    "another upgrade": ({"upgradePolicy": "Never"}, "spec.upgradePolicy", '"Automatic"'),
    "an upgrade of others": (
        {**EXTERNAL, "upgradePolicy": "Manual"},
        "spec.upgradePolicy",
        "makes no pods",
    ),
    "another default": ({"defaultDeletionPolicy": "Orphan"}, POLICY, '"DeleteIfEmpty"'),
}
MILVUS = {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1"}
CLASSY = {"storage": {"size": "10Gi", "className": "a"}}
FIXED = {
    "another type": (MILVUS, {"type": "Quiver"}, "spec.type", "one server cannot read"),
    "the default type": (MILVUS, {"type": None}, "spec.type", "one server cannot read"),
    "more storage": (STORAGE, {"storage": {"size": "20Gi"}}, "spec.storage", "volume claims"),
    "storage where none was": ({}, STORAGE, "spec.storage", "volume claims"),
    "no storage any more": (STORAGE, {"storage": None}, "spec.storage", "volume claims"),
    "another class": (CLASSY, {"storage": {"className": "b"}}, "spec.storage", "volume claims"),
    "a class where none was": (STORAGE, CLASSY, "spec.storage", "volume claims"),
    "no class any more": (CLASSY, {"storage": {"className": None}}, "spec.storage", "volume"),
    "external from now on": ({}, EXTERNAL, "spec.external", "cannot be added"),
    "not external any more": (EXTERNAL, {"external": None}, "spec.external", "taken away"),
}
FULL = {
    "gpu": {"count": 1},
    "image": "a",
    "resources": {"limits": {"cpu": 1}},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a"}],
    "limits": {"maxCollectionsAndPartitions": 8},
    "defaultDeletionPolicy": "Retain",
    "allowedNamespaces": {"from": "All"},
}
CHANGEABLE = {
    "replicas": ({}, {"replicas": 3}),
    "image": ({"image": "a"}, {"image": "b"}),
    "a first image": ({}, {"image": "b"}),
    "a GPU where none was": ({}, {"gpu": {}}),
    "more GPUs": ({"gpu": {}}, {"gpu": {"count": 2, "minMemory": "1Gi"}}),
    "resources": ({}, {"resources": {"limits": {"cpu": 1}}}),
    "nodeSelector": ({}, {"nodeSelector": {"a": "b"}}),
    "tolerations": ({}, {"tolerations": [{"key": "a"}]}),
    "upgradePolicy": ({}, {"upgradePolicy": "Automatic"}),
    "limits": ({}, {"limits": {"maxCollectionsAndPartitions": 1}}),
    "defaultDeletionPolicy": ({}, {"defaultDeletionPolicy": "DeleteIfEmpty"}),
    "allowedNamespaces": ({}, {"allowedNamespaces": {"from": "All"}}),
    "all that is optional taken out": (FULL, dict.fromkeys(FULL)),
    "more endpoints": (
        EXTERNAL,
        {"external": {"endpoints": ["a.example.org:1", "b.example.org:1"]}},
    ),
}
WRONG_NAMES = {
    "a digit first": ("1a", "starts with a letter"),
    "a dot": ("a.b", "lowercase letters"),
    "53 characters": ("a" * 53, "at most 52 characters"),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """An engine that Quiver can run, or reach, is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """An engine that cannot be is refused, at the wrong field and only there."""
    engines.check_refused(spec, field, words)


@pytest.mark.parametrize(("before", "change", "field", "words"), FIXED.values(), ids=FIXED)
def test_fixed(engines: Any, before: Any, change: Any, field: str, words: str) -> None:
    """What an engine cannot change is refused with the reason and what to do instead."""
    [refusal] = engines.try_change(before, change)
    assert refusal.field == field
    assert words in refusal.message
    assert "create a VectorEngine of another name" in refusal.message


@pytest.mark.parametrize(("before", "change"), CHANGEABLE.values(), ids=CHANGEABLE)
def test_changeable(engines: Any, before: Any, change: Any) -> None:
    """All else may be changed at any time."""
    assert engines.try_change(before, change) == []


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 52])
def test_names_accepted(engines: Any, name: str) -> None:
    """An engine is called as a Service may be, in at most 52 characters."""
    assert engines.try_create({}, name) == []


@pytest.mark.parametrize(("name", "words"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_names_refused(engines: Any, name: str, words: str) -> None:
    """An engine whose StatefulSet or Service could not be called after it is refused."""
    [refusal] = engines.try_create({}, name)
    assert refusal.field == "metadata.name"
    assert words in refusal.message


def test_defaults(engines: Any) -> None:
    """What is absent is stored as its default; an empty gpu is one nvidia.com/gpu."""
    said = {"gpu": {}, "allowedNamespaces": {}}
    assert engines.create(said, dry_run="All")["spec"] == {
        "type": "Quiver",
        "replicas": 1,
        "gpu": {"count": 1, "resourceName": "nvidia.com/gpu"},
        "allowedNamespaces": {"from": "Same"},
    }


def test_without_gpu_there_is_none(engines: Any) -> None:
    """An engine that says nothing of GPUs gets none."""
    assert "gpu" not in engines.create({}, dry_run="All")["spec"]
