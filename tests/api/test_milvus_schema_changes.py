"""What may be changed later in the long form of a collection on Milvus: spec.milvus.schema."""

from __future__ import annotations

from typing import Any

import pytest

from support.bad_milvus_schemas import (
    BITS,
    BM25,
    FIELDS,
    FUNCTIONS,
    KEY,
    SCHEMA,
    TERMS,
    TEXT,
    TEXTS,
    VECTOR,
    more,
)

LONG = {"dimension": None}
ARRAY = {"name": "tags", **TEXTS, "maxLength": 8}
ANALYZED = {**TEXT, "params": {"enable_analyzer": "true", "mmap.enabled": "false"}}
ON_DISK = {"enable_analyzer": "true", "mmap.enabled": "true"}
HASH = {**BM25, "name": "hash", "type": "MinHash", "outputFields": ["bits"]}
EMBED = {
    "name": "embed",
    "type": "TextEmbedding",
    "inputFields": ["text"],
    "outputFields": ["vector"],
    "params": {"provider": "openai", "url": "https://a.example"},
}
PRICE = {"name": "price", "type": "Double", "nullable": True}
FULL = more(ANALYZED, ARRAY, PRICE, TERMS, functions=[BM25, EMBED])
"""Fields 0 to 5: id, vector, text, tags, price, terms."""


def with_field(at: int, without: str = "", **changed: Any) -> Any:
    """FULL with something changed in one of its fields."""
    fields = [dict(field) for field in FULL["milvus"]["schema"]["fields"]]
    fields[at] = {key: v for key, v in {**fields[at], **changed}.items() if key != without}
    return {"milvus": {"schema": {"fields": fields}}}


def with_function(at: int, **changed: Any) -> Any:
    """FULL with something changed in one of its functions."""
    functions = [dict(function) for function in FULL["milvus"]["schema"]["functions"]]
    functions[at] |= changed
    return {"milvus": {"schema": {"functions": functions}}}


def added(*fields: Any, functions: Any = ()) -> Any:
    """FULL with something more."""
    schema = FULL["milvus"]["schema"]
    more_functions = [*schema["functions"], *functions]
    together = {"fields": [*schema["fields"], *fields], "functions": more_functions}
    return {"milvus": {"schema": together}}


FIXED = {
    "another type": (with_field(4, type="Float"), f"{FIELDS}[4].type", "type of a field"),
    "another dimension": (with_field(1, dimension=16), f"{FIELDS}[1].dimension", "dimension of"),
    "another element": (
        with_field(3, elementType="Int8", without="maxLength"),
        f"{FIELDS}[3].elementType",
        "elementType of a field is fixed",
    ),
    "another field as the key": (
        with_field(2, primaryKey=True),
        {FIELDS, f"{FIELDS}[2].primaryKey"},
        "primaryKey of a field is fixed when the collection is created",
    ),
    "ids of the server": (with_field(0, autoID=True), f"{FIELDS}[0].autoID", "autoID of"),
    "a partition key": (
        with_field(2, partitionKey=True),
        f"{FIELDS}[2].partitionKey",
        "partitionKey of a field is fixed",
    ),
    "a clustering key": (
        with_field(2, clusteringKey=True),
        f"{FIELDS}[2].clusteringKey",
        "clusteringKey of a field is fixed",
    ),
    "nullable": (with_field(2, nullable=True), f"{FIELDS}[2].nullable", "nullable of a field is"),
    "no longer nullable": (
        with_field(4, without="nullable"),
        f"{FIELDS}[4].nullable",
        "nullable of a field is fixed",
    ),
    "a default": (with_field(4, default="0.5"), f"{FIELDS}[4].default", "default of a field is"),
    "an analyzer no longer": (
        with_field(2, params={"mmap.enabled": "false"}),
        f"{FIELDS}[2].params",
        "but for mmap.enabled and warmup",
    ),
    "another analyzer": (
        with_field(2, params={**ANALYZED["params"], "enable_analyzer": "false"}),
        f"{FIELDS}[2].params",
        "but for mmap.enabled and warmup",
    ),
    "a parameter more": (
        with_field(2, params={**ANALYZED["params"], "a": 1}),
        f"{FIELDS}[2].params",
        "write them as they were, or create a VectorCollection of another name",
    ),
    "no parameters any more": (with_field(2, without="params"), f"{FIELDS}[2].params", "fixed"),
    "first parameters": (with_field(4, params={"a": 1}), f"{FIELDS}[4].params", "fixed"),
    "a shorter text": (
        with_field(2, maxLength=63),
        FIELDS,
        "maxLength of a field may only grow, because values that are there may be as long as it is",
    ),
    "a smaller array": (
        with_field(3, maxCapacity=7),
        FIELDS,
        "there may be as long as it is: tags; leave it, or raise it",
    ),
    "shorter texts in it": (with_field(3, maxLength=7), FIELDS, "long as it is: tags; leave it"),
    "another key": (
        {"milvus": {"schema": {"fields": [{**KEY, "name": "key"}, VECTOR], "functions": None}}},
        {FIELDS, FUNCTIONS},
        "a field cannot be taken away, because the rows that are there have it: id; put it back",
    ),
    "another model": (
        with_function(1, params={**EMBED["params"], "provider": "cohere"}),
        f"{FUNCTIONS}[1].params",
        "but for credential, location",
    ),
    "no model any more": (with_function(1, params={}), f"{FUNCTIONS}[1].params", "as they were"),
    "parameters of BM25": (
        with_function(0, params={"url": "a"}),
        f"{FUNCTIONS}[0].params",
        "of a TextEmbedding",
    ),
    "a function of other fields": (
        with_function(1, inputFields=["text", "tags"]),
        f"{FUNCTIONS}[1]",
        "type, inputFields and outputFields of a function are fixed",
    ),
    "other words for a function": (
        with_function(0, description="a"),
        f"{FUNCTIONS}[0].description",
        "description of a function is fixed",
    ),
    "a field that all rows have": (
        added({**TEXT, "name": "new"}),
        FIELDS,
        "because the rows that are there lack it: new; give it nullable: true, or take it out",
    ),
    "a vector that all rows have": (added({**VECTOR, "name": "new"}), FIELDS, "is nullable and no"),
    "a text of a function that is there": (
        added({**BITS, "name": "b"}, functions=[{**EMBED, "name": "new", "outputFields": ["b"]}]),
        {FIELDS, FUNCTIONS},
        "fills fields that are there if it is a TextEmbedding",
    ),
    "a function of Milvus over a field that is there": (
        {"milvus": {"schema": {"functions": [BM25, EMBED, {**BM25, "name": "new"}]}}},
        FUNCTIONS,
        "comes with new output fields if it is a BM25 or MinHash",
    ),
    "a function fewer": (
        {"milvus": {"schema": {"functions": [EMBED]}}},
        FUNCTIONS,
        "because it fills fields of rows that come: f; put it back",
    ),
    "no functions any more": (
        {"milvus": {"schema": {"functions": None}}},
        FUNCTIONS,
        "a function cannot be taken away",
    ),
}
CHANGEABLE = {
    "a longer text": with_field(2, maxLength=65535),
    "a larger array of longer texts": with_field(3, maxCapacity=4096, maxLength=9),
    "first words for a field": with_field(2, description="a"),
    "a field that stays on disk": with_field(2, params=ON_DISK),
    "a field that is loaded later": with_field(4, params={"warmup": "disable"}),
    "a field of the server's choice": with_field(2, params={"enable_analyzer": "true"}),
    "a nullable field": added({**TEXT, "name": "new", "nullable": True}),
    "a nullable vector": added({**VECTOR, "name": "new", "nullable": True}),
    "a nullable field with a default": added(
        {"name": "new", "type": "Int8", "nullable": True, "default": 1}
    ),
    "a nullable clustering key": added(
        {"name": "new", "type": "Int8", "nullable": True, "clusteringKey": True}
    ),
    "a function with its output": added(BITS, functions=[HASH]),
    "a model for a vector that is there": added(functions=[{**EMBED, "name": "new"}]),
    "the server of a model": with_function(
        1, params={"provider": "openai", "url": "https://b.example", "timeout": 5}
    ),
    "the server of a model no longer": with_function(1, params={"provider": "openai"}),
    "another order": {"milvus": {"schema": {"fields": FULL["milvus"]["schema"]["fields"][::-1]}}},
    "fields that nobody lists": {"milvus": {"schema": {"dynamicFields": True}}},
    "an index": {"milvus": {"schema": {"indexes": [{"field": "vector", "type": "HNSW"}]}}},
}
INDEXED = more(TEXT, indexes=[{"field": "vector", "type": "HNSW", "params": {"M": 8}}])
INDEXES: dict[str, list[Any] | None] = {
    "another type and metric": [{"field": "vector", "type": "FLAT", "metricType": "IP"}],
    "another parameter": [{"field": "vector", "type": "HNSW", "params": {"M": 16}}],
    "one of another field": [{"field": "text", "type": "INVERTED"}],
    "none": None,
}


@pytest.mark.parametrize(("change", "at", "words"), FIXED.values(), ids=FIXED)
def test_fixed(collections: Any, change: Any, at: str | set[str], words: str) -> None:
    """What Milvus cannot change is refused with the reason and the cure, where it is."""
    found = collections.try_change(LONG | FULL, change)
    assert {refusal.field for refusal in found} == ({at} if isinstance(at, str) else at)
    message = " ".join(refusal.message for refusal in found)
    assert words in message
    assert ", because " in message


@pytest.mark.parametrize("change", CHANGEABLE.values(), ids=CHANGEABLE)
def test_changeable(collections: Any, change: Any) -> None:
    """What some version of Milvus changes may be changed at any time."""
    assert collections.try_change(LONG | FULL, change) == []


@pytest.mark.parametrize("indexes", INDEXES.values(), ids=INDEXES)
def test_indexes_come_and_go(collections: Any, indexes: Any) -> None:
    """Each may be changed, added and taken away at any time."""
    change = {"milvus": {"schema": {"indexes": indexes}}}
    assert collections.try_change(LONG | INDEXED, change) == []


HELD = {
    "fields": [
        {"name": "id"},
        {"name": "vector"},
        {"name": "text", "maxLength": 32},
        {"name": "tags", "maxLength": 4, "maxCapacity": 4},
    ]
}
"""What a server has of FULL that took none of its growth: neither price nor terms, no function."""
OFF = [f for f in FULL["milvus"]["schema"]["fields"] if f["name"] not in ("price", "terms")]
NEVER_TAKEN = {
    "a field": {"fields": [f for f in FULL["milvus"]["schema"]["fields"] if f is not PRICE]},
    "a function and its output": {"fields": [*OFF, PRICE], "functions": [EMBED]},
    "a function over fields that are there": {"functions": [BM25]},
    "all of it": {"fields": OFF, "functions": None},
    "a longer text": with_field(2, maxLength=32)["milvus"]["schema"],
    "a larger array": with_field(3, maxLength=4, maxCapacity=5)["milvus"]["schema"],
    "a length of a field that is not there": {
        "fields": [*OFF, PRICE, {**TERMS, "description": ""}]
    },
}
TAKEN = {
    "a field": (
        {"fields": [f for f in OFF if f["name"] != "tags"], "functions": None},
        "it: tags;",
    ),
    "the length": (with_field(2, maxLength=31)["milvus"]["schema"], "as long as it is: text;"),
    "the size": (with_field(3, maxCapacity=3)["milvus"]["schema"], "as long as it is: tags;"),
    "a field of two": ({"fields": OFF[1:], "functions": None}, "rows that are there have it: id;"),
}


@pytest.mark.parametrize("schema", NEVER_TAKEN.values(), ids=NEVER_TAKEN)
def test_what_the_server_never_took_may_be_taken_back(collections: Any, schema: Any) -> None:
    """The status says what it has. Otherwise a revert would be refused for ever."""
    change = {"milvus": {"schema": schema}}
    assert collections.try_change(LONG | FULL, change, {"milvus": HELD}) == []


@pytest.mark.parametrize(("schema", "words"), TAKEN.values(), ids=TAKEN)
def test_what_the_server_has_stays(collections: Any, schema: Any, words: str) -> None:
    """It is refused as it is without a status, for this alone."""
    found = collections.try_change(LONG | FULL, {"milvus": {"schema": schema}}, {"milvus": HELD})
    assert FIELDS in {refusal.field for refusal in found}
    assert words in " ".join(refusal.message for refusal in found)


def test_functions_that_the_server_has_stay(collections: Any) -> None:
    """With the names of these in the status."""
    status = {"milvus": {**HELD, "functions": ["embed"]}}
    change = {"milvus": {"schema": {"functions": [BM25]}}}
    [refusal] = collections.try_change(LONG | FULL, change, status)
    assert refusal.field == FUNCTIONS
    assert "a function cannot be taken away" in refusal.message
    assert ": embed; put it back, or" in refusal.message


def test_a_function_of_milvus_takes_its_output_along(collections: Any) -> None:
    """No server could add the field alone, and the function only together with it."""
    change = {"milvus": {"schema": {"functions": [EMBED]}}}
    [refusal] = collections.try_change(LONG | FULL, change, {"milvus": HELD})
    assert refusal.field == FUNCTIONS
    assert "takes its output fields along, because" in refusal.message
    assert ": f; take these fields away, too, or put it back" in refusal.message


@pytest.mark.parametrize("status", [{}, {"milvus": {"load": "Loaded"}}], ids=["none", "an old one"])
def test_without_what_the_server_has_all_that_was_said_stays(collections: Any, status: Any) -> None:
    """An operator of before wrote no fields into the status."""
    change = {"milvus": {"schema": NEVER_TAKEN["all of it"]}}
    found = collections.try_change(LONG | FULL, change, status)
    assert {refusal.field for refusal in found} == {FIELDS, FUNCTIONS}


def test_a_status_may_say_of_the_server_what_no_spec_says(collections: Any) -> None:
    """The operator says what it finds, whatever the spec says meanwhile."""
    collections.create(LONG | FULL, "found-otherwise")
    there = [{"name": "other"}, {"name": "text", "maxLength": 65535}]
    milvus = {"fields": there, "functions": ["g"], "dynamicFields": True}
    found = collections.patch_status("found-otherwise", {"milvus": milvus})
    assert found["status"]["milvus"] == milvus


def test_dynamic_fields_that_the_server_never_turned_on_may_be_taken_back(collections: Any) -> None:
    """Milvus turns them on from 2.6.6 on."""
    before, off = LONG | more(dynamicFields=True), {"milvus": {"schema": {"dynamicFields": None}}}
    status = {"fields": [{"name": "id"}, {"name": "vector"}]}
    assert collections.try_change(before, off, {"milvus": status}) == []
    [refusal] = collections.try_change(before, off, {"milvus": {**status, "dynamicFields": True}})
    assert "dynamicFields cannot be turned off" in refusal.message


def test_dynamic_fields_stay_once_they_are_on(collections: Any) -> None:
    """Rows that are there may have some."""
    for off in (False, None):
        change = {"milvus": {"schema": {"dynamicFields": off}}}
        [refusal] = collections.try_change(LONG | more(dynamicFields=True), change)
        assert refusal.field == f"{SCHEMA}.dynamicFields"
        assert "dynamicFields cannot be turned off, because rows" in refusal.message


@pytest.mark.parametrize(
    ("before", "change"),
    [(LONG | more(), {"dimension": 8, "milvus": None}), ({}, LONG | more())],
    ids=["to the short one", "to the long one"],
)
def test_a_collection_keeps_its_form(collections: Any, before: Any, change: Any) -> None:
    """Its fields are others in the other form."""
    [refusal] = collections.try_change(before, change)
    assert refusal.field == SCHEMA
    assert f".{SCHEMA} is fixed when the collection is created, because" in refusal.message


def test_a_merge_patch_replaces_the_list(collections: Any) -> None:
    """A patch that names one field takes all others away, and is refused for it."""
    change = {"milvus": {"schema": {"fields": [{**TEXT, "maxLength": 128}]}}}
    found = collections.try_change(LONG | more(TEXT), change)
    assert "a field cannot be taken away" in " ".join(refusal.message for refusal in found)
