"""What a VectorCollection may say, and what may be changed in it later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.index_rules import ranges_in

ELSEWHERE = "create a VectorCollection of another name"
PARAMS = "spec.index.params"
NAMESPACE = "spec.engineRef.namespace"
BINDING = "spec.binding.secretName"
NUMBERS = ("L2", "IP")
MATCHES = ("SUBSTRUCTURE", "SUPERSTRUCTURE")
SHARES = ("HAMMING", "JACCARD", "TANIMOTO")
BITS = (*SHARES, *MATCHES)
LEVELS = ("Strong", "Session", "Bounded", "Eventually")
MILVUS = "spec.milvus"


def index(kind: str, **params: Any) -> Any:
    """A collection with an index of a kind, and its parameters."""
    return {"index": {"type": kind, "params": params}}


def having(spec: Any, name: str, value: Any) -> Any:
    """The same collection with another value of a parameter of its index; None takes it away."""
    params = {**spec["index"]["params"], name: value}
    kept = {key: value for key, value in params.items() if value is not None}
    return {**spec, **index(spec["index"]["type"], **kept)}


IVF_FLAT = index("IVF_FLAT", nlist=1024)
IVF_SQ8 = index("IVF_SQ8", nlist=1024)
IVF_SQ8H = index("IVF_SQ8H", nlist=1024)
IVF_PQ = {"dimension": 32768, **index("IVF_PQ", nlist=1024, m=16)}
HNSW = index("HNSW", M=16, efConstruction=200)
RNSG = index("RNSG", search_length=45, out_degree=50, candidate_pool_size=300, knng=100)
ANNOY = index("ANNOY", n_trees=8)
INDEXES = (IVF_FLAT, IVF_SQ8, IVF_SQ8H, IVF_PQ, HNSW, RNSG, ANNOY)
OF_MILVUS = ("AUTOINDEX", "DISKANN", "SCANN", "GPU_CAGRA", "GPU_IVF_FLAT", "GPU_IVF_PQ")
ON_MILVUS = tuple(index(kind) for kind in (*OF_MILVUS, "GPU_BRUTE_FORCE"))
# An index, a parameter of it, the least and the most that it may be.
RANGES = (
    *((spec, "nlist", 1, 65536) for spec in (IVF_FLAT, IVF_SQ8, IVF_SQ8H, IVF_PQ)),
    (IVF_PQ, "m", 1, 32768),
    (IVF_PQ, "nbits", 1, 16),
    (HNSW, "M", 4, 64),
    (HNSW, "efConstruction", 8, 512),
    (RNSG, "search_length", 10, 300),
    (RNSG, "out_degree", 5, 300),
    (RNSG, "candidate_pool_size", 50, 1000),
    (RNSG, "knng", 5, 300),
    (ANNOY, "n_trees", 1, 1024),
)


def accepted_indexes() -> Iterator[tuple[str, Any]]:
    """Every type of index, and both ends of every range."""
    for spec in INDEXES:
        yield spec["index"]["type"], spec
    for spec, name, least, most in RANGES:
        for value in (least, most):
            yield f"{spec['index']['type']} with {name} {value}", having(spec, name, value)


def refused_indexes() -> Iterator[tuple[str, tuple[Any, str, str]]]:
    """Beyond both ends of every range; what a type needs, missing; what it does not take, given."""
    for spec, name, least, most in RANGES:
        kind, at = spec["index"]["type"], f"{PARAMS}[{name}]"
        allowed = f"must be a number from {least} to {most}; write it without quotation marks"
        for value in (least - 1, most + 1, f"{least}"):
            yield f"{kind} with {name} {value!r}", (having(spec, name, value), at, allowed)
        if name != "nbits":
            yield f"{kind} without {name}", (having(spec, name, None), at, "is required for")
        for other in INDEXES:
            takes = {known for spec, known, *_ in RANGES if spec is other}
            if name not in takes:
                label = f"{other['index']['type']} with {name}"
                yield label, (having(other, name, least), at, "no other type of Milvus 1.x; ")


ACCEPTED = {
    "the least that can be said": {},
    "the smallest dimension": {"dimension": 1},
    "the largest dimension": {"dimension": 32768},
    "the smallest segments": {"indexFileSize": 1},
    "the largest segments": {"indexFileSize": 131072},
    **{metric: {"metricType": metric} for metric in (*NUMBERS, *BITS)},
    "the fewest bits": {"metricType": "HAMMING", "dimension": 8},
    "numbers that are not a multiple of 8": {"dimension": 12, "metricType": "IP"},
    "numbers without a metric that are not a multiple of 8": {"dimension": 12},
    "cosine of numbers that are not a multiple of 8": {"dimension": 12, "metricType": "COSINE"},
    **{f"{spec['index']['type']} without parameters": spec for spec in ON_MILVUS},
    "a parameter in words": index("GPU_CAGRA", build_algo="NN_DESCENT"),
    "a parameter of a name that other types have": index("SCANN", nlist="128"),
    "a parameter more": having(IVF_FLAT, "mmap.enabled", "true"),
    "as many parameters as there may be": index("DISKANN", **{f"p{n}": n for n in range(32)}),
    "the longest parameter": index("DISKANN", **{"p" * 256: "v" * 256}),
    "nothing of Milvus": {"milvus": {}},
    "a database": {"milvus": {"database": "d" * 255}},
    "not loaded": {"milvus": {"load": {"enabled": False}}},
    "the most copies": {"milvus": {"load": {"replicas": 64}}},
    "the most shards": {"milvus": {"shards": 16}},
    **{level: {"milvus": {"consistencyLevel": level}} for level in LEVELS},
    "the most properties": {"milvus": {"properties": {f"p{n}": "v" for n in range(32)}}},
    "the longest property": {"milvus": {"properties": {"p" * 256: "v" * 1024}}},
    "an engine in another namespace": {"engineRef": {"namespace": "0-shared"}},
    "an engine in a namespace of 63 characters": {"engineRef": {"namespace": "n" * 63}},
    **dict(accepted_indexes()),
    **{f"IVF_FLAT over {metric}": {"metricType": metric, **IVF_FLAT} for metric in SHARES},
    "a collection name of one letter": {"collectionName": "a"},
    "a collection name that starts with an underscore": {"collectionName": "_9"},
    "a collection name of 255 characters": {"collectionName": "A" * 255},
    "an engine name of 52 characters": {"engineRef": {"name": "e" * 52}},
    "no partitions": {"partitions": []},
    "a partition of one character": {"partitions": ["a"]},
    "a partition of 255 characters": {"partitions": ["p" * 255]},
    "a partition with a blank inside": {"partitions": ["new york"]},
    "a partition in another script": {"partitions": ["日本"]},
    "as many partitions as there may be": {"partitions": [f"p{n}" for n in range(4096)]},
    "tags of as many bytes as there may be": {"partitions": [f"{n:064}" for n in range(4096)]},
    "Delete": {"deletionPolicy": "Delete"},
    "Retain": {"deletionPolicy": "Retain"},
    "DeleteIfEmpty": {"deletionPolicy": "DeleteIfEmpty"},
    "Never": {"adoptionPolicy": "Never"},
    "IfIdentical": {"adoptionPolicy": "IfIdentical"},
    "a Secret of one character": {"binding": {"secretName": "a"}},
    "a Secret of 253 characters": {"binding": {"secretName": "a" * 253}},
    "a Secret with dots": {"binding": {"secretName": "0.a-b"}},
    "suspended": {"suspend": True},
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
    "a namespace with a dot": ({"engineRef": {"namespace": "a.b"}}, NAMESPACE, "should match"),
    "an empty namespace": ({"engineRef": {"namespace": ""}}, NAMESPACE, "at least 1"),
    "a namespace of 64": ({"engineRef": {"namespace": "n" * 64}}, NAMESPACE, "than 63"),
    "another metric": ({"metricType": "BM25"}, "spec.metricType", '"L2", "IP"'),
    **{
        f"{metric} of half a byte": (
            {"metricType": metric, "dimension": 12},
            "spec.dimension",
            "multiple of 8",
        )
        for metric in BITS
    },
    "a metric in lower case": ({"metricType": "l2"}, "spec.metricType", '"L2", "IP"'),
    "another policy": ({"deletionPolicy": "Orphan"}, "spec.deletionPolicy", '"Delete", "Retain"'),
    "another adoption": ({"adoptionPolicy": "Always"}, "spec.adoptionPolicy", '"IfIdentical"'),
    "a binding to nothing": ({"binding": {}}, BINDING, "Required value"),
    "an empty Secret": ({"binding": {"secretName": ""}}, BINDING, "at least 1"),
    "a Secret in capitals": ({"binding": {"secretName": "A"}}, BINDING, "should match"),
    "a Secret of 254": ({"binding": {"secretName": "a" * 254}}, BINDING, "than 253"),
    "suspended in words": ({"suspend": "yes"}, "spec.suspend", "must be of type boolean"),
    "another index": (index("FLAT"), "spec.index.type", '"IVF_FLAT"'),
    "an index without a type": ({"index": {"params": {}}}, "spec.index.type", "Required value"),
    "an index without parameters": ({"index": {"type": "HNSW"}}, PARAMS, "Required value"),
    "half a tree": (index("ANNOY", n_trees=1.5), f"{PARAMS}.n_trees", "of type integer"),
    "a parameter without a name": (index("DISKANN", **{"": 1}), PARAMS, "1 to 256 characters"),
    "a name of 257": (index("DISKANN", **{"p" * 257: 1}), PARAMS, "1 to 256 characters"),
    "a parameter of 257": (index("DISKANN", a="v" * 257), f"{PARAMS}.a", "than 256"),
    "33 parameters": (index("DISKANN", **{f"p{n}": n for n in range(33)}), PARAMS, "most 32 items"),
    "a database with a dash": (
        {"milvus": {"database": "a-b"}},
        f"{MILVUS}.database",
        "should match",
    ),
    "a database of 256": ({"milvus": {"database": "a" * 256}}, f"{MILVUS}.database", "than 255"),
    "no copies": ({"milvus": {"load": {"replicas": 0}}}, f"{MILVUS}.load.replicas", "equal to 1"),
    "17 shards": ({"milvus": {"shards": 17}}, f"{MILVUS}.shards", "equal to 16"),
    "another level": (
        {"milvus": {"consistencyLevel": "Weak"}},
        f"{MILVUS}.consistencyLevel",
        '"Strong"',
    ),
    "33 properties": (
        {"milvus": {"properties": {f"p{n}": "v" for n in range(33)}}},
        f"{MILVUS}.properties",
        "most 32 items",
    ),
    "a property of 1025": (
        {"milvus": {"properties": {"a": "v" * 1025}}},
        f"{MILVUS}.properties.a",
        "than 1024",
    ),
    "a property of a number": (
        {"milvus": {"properties": {"collection.ttl.seconds": 60}}},
        f"{MILVUS}.properties.collection.ttl.seconds",
        "of type string",
    ),
    "a property of Quiver's own": (
        {"milvus": {"properties": {"quiver.dev/owner": "me"}}},
        f"{MILVUS}.properties",
        "are Quiver's own",
    ),
    **dict(refused_indexes()),
    "parts that do not divide": (having(IVF_PQ, "m", 3), f"{PARAMS}[m]", "must divide"),
    **{
        f"{spec['index']['type']} over bits": (
            {**spec, "metricType": "JACCARD"},
            "spec.index.type",
            "must be IVF_FLAT",
        )
        for spec in INDEXES[1:]
    },
    **{
        f"an index over {metric}": ({**IVF_FLAT, "metricType": metric}, "spec.index", "absent")
        for metric in MATCHES
    },
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
    "tags of a byte too many": (
        {"partitions": [f"{n:064}" for n in range(4094)] + ["p" * 129]},
        "spec.partitions",
        "at most 262144 bytes in UTF-8 together",
    ),
    "tags of too many bytes": (
        {"partitions": [f"é{n:0253}" for n in range(4095)]},
        "spec.partitions",
        "shorten them, or put some into another collection",
    ),
    "a tag twice": ({"partitions": ["a", "a"]}, "spec.partitions[1]", "Duplicate value"),
    "4097 partitions": ({"partitions": [f"{n}" for n in range(4097)]}, "spec.partitions", "4096"),
}
DEFAULTS = {"indexFileSize": 1024, "metricType": "L2"}
NAMED = {"collectionName": "a"}
SHARED = {"engineRef": {"namespace": "shared"}}
FIXED = {
    "another engine": ({}, {"engineRef": {"name": "other"}}, "spec.engineRef.name", "copy"),
    "an engine elsewhere": (SHARED, {"engineRef": {"namespace": "other"}}, NAMESPACE, "copy"),
    "an engine elsewhere from now on": ({}, SHARED, NAMESPACE, "do not move between engines"),
    "an engine here from now on": (SHARED, {"engineRef": {"namespace": None}}, NAMESPACE, "copy"),
    "another dimension": ({}, {"dimension": 128}, "spec.dimension", "insert vectors"),
    "other segments": ({}, {"indexFileSize": 2048}, "spec.indexFileSize", "copy the vectors"),
    "other segments than were named": (
        DEFAULTS,
        {"indexFileSize": 512},
        "spec.indexFileSize",
        "copy the vectors",
    ),
    "another metric than was named": (
        DEFAULTS,
        {"metricType": "IP"},
        "spec.metricType",
        "copy the vectors",
    ),
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
    "another database": (
        {"milvus": {"database": "a"}},
        {"milvus": {"database": "b"}},
        f"{MILVUS}.database",
        "in that database and copy the vectors",
    ),
    "a database where there was none": (
        {},
        {"milvus": {"database": "a"}},
        f"{MILVUS}.database",
        "do not move between databases",
    ),
    "no database any more": (
        {"milvus": {"database": "a", "shards": 2}},
        {"milvus": {"database": None}},
        f"{MILVUS}.database",
        "copy the vectors",
    ),
    "other shards": ({}, {"milvus": {"shards": 2}}, f"{MILVUS}.shards", "copy the vectors"),
    "another level": (
        {"milvus": {"consistencyLevel": "Strong"}},
        {"milvus": None},
        f"{MILVUS}.consistencyLevel",
        "in each search",
    ),
    "a name where there was none": ({}, NAMED, "spec.collectionName", "copy the vectors"),
    "no name any more": (NAMED, {"collectionName": None}, "spec.collectionName", "copy"),
}
CHANGEABLE = {
    "a first partition": ({}, {"partitions": ["a"]}),
    "another partition": ({"partitions": ["a"]}, {"partitions": ["a", "b"]}),
    "a partition fewer": ({"partitions": ["a", "b"]}, {"partitions": ["b"]}),
    "no partitions any more": ({"partitions": ["a"]}, {"partitions": None}),
    "a first deletionPolicy": ({}, {"deletionPolicy": "Retain"}),
    "another deletionPolicy": ({"deletionPolicy": "Retain"}, {"deletionPolicy": "DeleteIfEmpty"}),
    "no deletionPolicy any more": ({"deletionPolicy": "Retain"}, {"deletionPolicy": None}),
    "another adoptionPolicy": ({}, {"adoptionPolicy": "IfIdentical"}),
    "a first index": ({}, HNSW),
    "another parameter": (HNSW, {"index": {"params": {"M": 32}}}),
    "another type of index": (
        IVF_FLAT,
        {"index": {"type": "ANNOY", "params": {"nlist": None, "n_trees": 8}}},
    ),
    "no index any more": (IVF_PQ, {"index": None}),
    "a first binding": ({}, {"binding": {"secretName": "a"}}),
    "another binding": ({"binding": {"secretName": "a"}}, {"binding": {"secretName": "b"}}),
    "no binding any more": ({"binding": {"secretName": "a"}}, {"binding": None}),
    "suspended": ({}, {"suspend": True}),
    "no longer suspended": ({"suspend": True}, {"suspend": False}),
    "loaded no longer": ({}, {"milvus": {"load": {"enabled": False}}}),
    "more copies": ({"milvus": {"load": {"replicas": 1}}}, {"milvus": {"load": {"replicas": 2}}}),
    "a first property": ({}, {"milvus": {"properties": {"a": "1"}}}),
    "no property any more": ({"milvus": {"properties": {"a": "1"}}}, {"milvus": None}),
    "the default database said aloud": ({}, {"milvus": {"database": "default"}}),
    "the default database no longer said": ({"milvus": {"database": "default"}}, {"milvus": None}),
    "the default said aloud": ({}, DEFAULTS),
    "the default no longer said": (DEFAULTS, {"indexFileSize": None, "metricType": None}),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(collections: Any, spec: Any) -> None:
    """A collection within the limits of the engine is accepted."""
    assert collections.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(collections: Any, spec: Any, field: str, words: str) -> None:
    """A collection that no engine can make is refused, at the wrong field and only there."""
    collections.check_refused(spec, field, words)


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
    """All that does not make the collection another one may be changed at any time."""
    assert collections.try_change(before, change) == []


def test_a_merge_patch_that_keeps_the_parameters_of_the_type_before(collections: Any) -> None:
    """It is refused, and told how it is done: set to null, or by kubectl apply."""
    change = {"index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 200}}}
    [refusal] = collections.try_change(IVF_FLAT, change)
    assert refusal.field == f"{PARAMS}[nlist]"
    assert "(kubectl apply does; a merge patch has to set it to null)" in refusal.message
    change["index"]["params"] |= {"nlist": None}
    assert collections.try_change(IVF_FLAT, change) == []


def test_several_fixed_fields_at_once(collections: Any) -> None:
    """A change of several fixed fields is told about each of them."""
    found = collections.try_change({}, {"dimension": 1, "indexFileSize": 1, "metricType": "IP"})
    assert [refusal.field for refusal in found] == [
        "spec.dimension",
        "spec.indexFileSize",
        "spec.metricType",
    ]


def test_defaults(collections: Any) -> None:
    """What is absent is stored as its default, where that is the same for every collection. The
    engine's type decides what indexFileSize and metricType are, so that they are not filled in.
    """
    assert collections.create({}, dry_run="All")["spec"] == {
        "engineRef": {"name": "main"},
        "dimension": 256,
        "adoptionPolicy": "Never",
        "suspend": False,
    }


def test_every_parameter_has_its_range_tried(schemas: Any) -> None:
    """The table of ranges above has every parameter that the rules have."""
    spec = schemas["vectorcollections"]["properties"]["spec"]["properties"]
    assert {spec["index"]["type"] for spec in (*INDEXES, *ON_MILVUS)} == {
        *spec["index"]["properties"]["type"]["enum"]
    }
    tried = {name: (least, most) for _, name, least, most in RANGES}
    assert tried == ranges_in(spec["index"])
