"""What a VectorCollection may say, and what may be changed in it later."""

from __future__ import annotations

from typing import Any

import pytest

ELSEWHERE = "create a VectorCollection of another name"
ACCEPTED = {
    "the least that can be said": {},
    "the smallest dimension": {"dimension": 1},
    "the largest dimension": {"dimension": 32768},
    "the smallest segments": {"indexFileSize": 1},
    "the largest segments": {"indexFileSize": 131072},
    "L2": {"metricType": "L2"},
    "IP": {"metricType": "IP"},
    "a collection name of one letter": {"collectionName": "a"},
    "a collection name that starts with an underscore": {"collectionName": "_9"},
    "a collection name of 255 characters": {"collectionName": "A" * 255},
    "an engine name of 52 characters": {"engineRef": {"name": "e" * 52}},
    "no partitions": {"partitions": []},
    "a partition of one character": {"partitions": ["a"]},
    "a partition of 255 characters": {"partitions": ["p" * 255]},
    "a partition with a blank inside": {"partitions": ["new york"]},
    "a partition in another script": {"partitions": ["日本"]},
    "as many partitions as there may be": {"partitions": [f"p{n}" for n in range(4095)]},
    "Delete": {"deletionPolicy": "Delete"},
    "Retain": {"deletionPolicy": "Retain"},
}
REFUSED = {
    "no engine": ({"engineRef": None}, "spec.engineRef", "Required value"),
    "an engine without a name": ({"engineRef": {"name": None}}, "spec.engineRef.name", "Required"),
    "an empty engine name": ({"engineRef": {"name": ""}}, "spec.engineRef.name", "at least 1"),
    "an engine name of 53": ({"engineRef": {"name": "e" * 53}}, "spec.engineRef.name", "than 52"),
    "an engine name with a dot": ({"engineRef": {"name": "a.b"}}, "spec.engineRef.name", "match"),
    "no dimension": ({"dimension": None}, "spec.dimension", "Required value"),
    "dimension 0": ({"dimension": 0}, "spec.dimension", "greater than or equal to 1"),
    "dimension 32769": ({"dimension": 32769}, "spec.dimension", "less than or equal to 32768"),
    "half a dimension": ({"dimension": 1.5}, "spec.dimension", "must be of type int32"),
    "indexFileSize 0": ({"indexFileSize": 0}, "spec.indexFileSize", "greater than or equal to 1"),
    "indexFileSize 131073": ({"indexFileSize": 131073}, "spec.indexFileSize", "equal to 131072"),
    "another metric": ({"metricType": "HAMMING"}, "spec.metricType", '"L2", "IP"'),
    "a metric in lower case": ({"metricType": "l2"}, "spec.metricType", '"L2", "IP"'),
    "another policy": ({"deletionPolicy": "Orphan"}, "spec.deletionPolicy", '"Delete", "Retain"'),
    "an empty name": ({"collectionName": ""}, "spec.collectionName", "at least 1"),
    "a name with a dash": ({"collectionName": "a-b"}, "spec.collectionName", "should match"),
    "a name with a digit first": ({"collectionName": "9a"}, "spec.collectionName", "should match"),
    "a name of 256": ({"collectionName": "a" * 256}, "spec.collectionName", "than 255"),
    "an empty partition": ({"partitions": [""]}, "spec.partitions[0]", "at least 1"),
    "a blank partition": ({"partitions": [" "]}, "spec.partitions[0]", "not blank"),
    "a blank before a tag": ({"partitions": ["a", " b"]}, "spec.partitions[1]", "at its ends"),
    "a tab after a tag": ({"partitions": ["b\t"]}, "spec.partitions[0]", "at its ends"),
    "_default": ({"partitions": ["_default"]}, "spec.partitions[0]", "exists in every"),
    "a partition of 256": ({"partitions": ["p" * 256]}, "spec.partitions[0]", "than 255"),
    "a partition of 256 bytes": ({"partitions": ["é" * 128]}, "spec.partitions[0]", "255 bytes"),
    "a tag twice": ({"partitions": ["a", "a"]}, "spec.partitions[1]", "Duplicate value"),
    "4096 partitions": ({"partitions": [f"{n}" for n in range(4096)]}, "spec.partitions", "4095"),
}
NAMED = {"collectionName": "a"}
FIXED = {
    "another engine": ({}, {"engineRef": {"name": "other"}}, "spec.engineRef.name", "copy"),
    "another dimension": ({}, {"dimension": 128}, "spec.dimension", "insert vectors"),
    "other segments": ({}, {"indexFileSize": 2048}, "spec.indexFileSize", "copy the vectors"),
    "the default in place of another": (
        {"indexFileSize": 512},
        {"indexFileSize": None},
        "spec.indexFileSize",
        "copy the vectors",
    ),
    "another metric": ({}, {"metricType": "IP"}, "spec.metricType", "copy the vectors"),
    "the default in place of IP": (
        {"metricType": "IP"},
        {"metricType": None},
        "spec.metricType",
        "copy the vectors",
    ),
    "another name": (NAMED, {"collectionName": "b"}, "spec.collectionName", "copy the vectors"),
    "a name where there was none": ({}, NAMED, "spec.collectionName", "copy the vectors"),
    "no name any more": (NAMED, {"collectionName": None}, "spec.collectionName", "copy"),
}
CHANGEABLE = {
    "a first partition": ({}, {"partitions": ["a"]}),
    "another partition": ({"partitions": ["a"]}, {"partitions": ["a", "b"]}),
    "a partition fewer": ({"partitions": ["a", "b"]}, {"partitions": ["b"]}),
    "no partitions any more": ({"partitions": ["a"]}, {"partitions": None}),
    "another deletionPolicy": ({}, {"deletionPolicy": "Retain"}),
    "the default said aloud": ({}, {"indexFileSize": 1024, "metricType": "L2"}),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(collections: Any, spec: Any) -> None:
    """A collection within the limits of the engine is accepted."""
    assert collections.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(collections: Any, spec: Any, field: str, words: str) -> None:
    """A collection that no engine can make is refused, at the wrong field and only there."""
    found = collections.try_create(spec)
    assert {refusal.field for refusal in found} == {field}
    assert words in " ".join(refusal.message for refusal in found)


@pytest.mark.parametrize(("before", "change", "field", "words"), FIXED.values(), ids=FIXED)
def test_fixed(collections: Any, before: Any, change: Any, field: str, words: str) -> None:
    """What a collection cannot change is refused with the reason and what to do instead."""
    [refusal] = collections.try_change(before, change)
    assert refusal.field == field
    assert f".{field} is fixed when the collection is created, because" in refusal.message
    assert ELSEWHERE in refusal.message
    assert words in refusal.message


@pytest.mark.parametrize(("before", "change"), CHANGEABLE.values(), ids=CHANGEABLE)
def test_changeable(collections: Any, before: Any, change: Any) -> None:
    """Partitions and deletionPolicy may be changed at any time."""
    assert collections.try_change(before, change) == []


def test_several_fixed_fields_at_once(collections: Any) -> None:
    """A change of several fixed fields is told about each of them."""
    found = collections.try_change({}, {"dimension": 1, "indexFileSize": 1, "metricType": "IP"})
    assert [refusal.field for refusal in found] == [
        "spec.dimension",
        "spec.indexFileSize",
        "spec.metricType",
    ]


def test_defaults(collections: Any) -> None:
    """What is absent is stored as its default; the collection's name and partitions are not."""
    assert collections.create({}, dry_run="All")["spec"] == {
        "engineRef": {"name": "main"},
        "dimension": 256,
        "indexFileSize": 1024,
        "metricType": "L2",
        "deletionPolicy": "Delete",
    }
