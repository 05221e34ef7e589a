"""What the long form of a collection on Milvus may say: spec.milvus.schema."""

from __future__ import annotations

from typing import Any

import pytest

from quiver.domain.milvus_indexes import INDEXES
from support.bad_milvus_schemas import (
    BAD_SCHEMAS,
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
    Bad,
    field_of,
    more,
    whole,
)
from support.bad_milvus_schemas import (
    INDEXES as AT_INDEXES,
)
from support.milvus_schemas import GOOD_SCHEMAS

LONG = {"dimension": None}
"""Takes the short form out of the smallest spec."""


def of_types(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{type_} with {name} {value}": more(field_of(type_, **{name: value}))
        for type_, value in values.items()
    }


ACCEPTED = {
    **{name: {"milvus": milvus} for name, milvus in GOOD_SCHEMAS.items()},
    "no more than a key and a vector": more(),
    "sparse vectors alone": whole(KEY, TERMS),
    "a key of text": whole({**TEXT, "primaryKey": True}, VECTOR),
    "a key and partitions": more() | {"partitions": ["a"]},
    "a partition key and no partitions": more({**TEXT, "partitionKey": True}) | {"partitions": []},
    "a partition key of numbers": more({"name": "x", "type": "Int64", "partitionKey": True}),
    "a partition key that clusters": more({**TEXT, "partitionKey": True, "clusteringKey": True}),
    "no functions and no indexes": more(functions=[], indexes=[]),
    "roles that are none": more(
        {**TEXT, "primaryKey": False, "autoID": False, "partitionKey": False, "nullable": False}
    ),
    **{f"nullable {type_}": more(field_of(type_, nullable=True)) for type_ in INDEXES},
    **of_types("default", {"Int8": -128, "Int16": "32767", "Int32": 2147483647}),
    **of_types("default", {"Int64": -9223372036854775808, "VarChar": "", "Bool": "false"}),
    **of_types("default", {"Float": "-0.5e-3", "Double": 2, "Timestamptz": "2025-01-01T00:00:00Z"}),
    **of_types("clusteringKey", dict.fromkeys(("Int8", "Double", "VarChar", "FloatVector"), True)),
    "an array of texts": more({"name": "x", **TEXTS, "maxLength": 1}),
    "a hash of a text": more(
        TEXT, BITS, functions=[{**BM25, "type": "MinHash", "outputFields": ["bits"]}]
    ),
    "parameters in words and numbers": more({**TEXT, "params": {"mmap.enabled": "true", "a": 1}}),
    "the longest default": more(field_of("VarChar", default="v" * 4096)),
    "the longest parameter of a field": more({**TEXT, "params": {"p" * 256: "v" * 4096}}),
    "the longest parameter of an index": more(
        indexes=[{"field": "vector", "type": "FLAT", "params": {"p" * 256: "v" * 256}}]
    ),
}


EMBED = {
    "name": "f",
    "type": "TextEmbedding",
    "inputFields": ["id"],
    "outputFields": ["vector"],
}


def of_function(at: str, words: str, **function: Any) -> Bad:
    functions = [{**BM25, **function}]
    return Bad(more(TEXT, TERMS, functions=functions), f"{FUNCTIONS}[0].{at}", words)


def of_index(at: str, words: str, **index: Any) -> Bad:
    indexes = [{"field": "vector", "type": "FLAT", **index}]
    return Bad(more(indexes=indexes), f"{AT_INDEXES}[0].{at}", words)


def of_field(at: str, words: str, **field: Any) -> Bad:
    return Bad(more({**TEXT, **field}), f"{FIELDS}[2].{at}", words)


BEYOND_BOUNDS = {
    "no fields": Bad({"milvus": {"schema": {}}}, FIELDS, "Required value"),
    "65 fields": Bad(
        more(*({**TEXT, "name": f"t{n}"} for n in range(63))), FIELDS, "at most 64 items"
    ),
    "17 functions": Bad(
        more(functions=[{**EMBED, "name": f"f{n}"} for n in range(17)]),
        FUNCTIONS,
        "at most 16 items",
    ),
    "65 indexes": Bad(
        more(indexes=[{"field": f"v{n}", "type": "FLAT"} for n in range(65)]),
        AT_INDEXES,
        "at most 64 items",
    ),
    "a field with a dash": of_field("name", "should match", name="a-b"),
    "a field name of 256": of_field("name", "than 255", name="a" * 256),
    "another type": of_field("type", '"VarChar"', type="String"),
    "a description of 1025": of_field("description", "than 1024", description="a" * 1025),
    "no length": of_field("maxLength", "equal to 1", maxLength=0),
    "a length of 65536": of_field("maxLength", "equal to 65535", maxLength=65536),
    "17 parameters of a field": of_field(
        "params", "most 16 items", params={f"{n}": n for n in range(17)}
    ),
    "a parameter of a field without a name": of_field(
        "params", "1 to 256 characters", params={"": 1}
    ),
    "a parameter of a field of 4097": of_field("params.a", "than 4096", params={"a": "v" * 4097}),
    "half a default": of_field("default", "of type integer", default=0.5),
    "another function": of_function("type", '"BM25"', type="Rerank"),
    "a function that reads nothing": of_function(
        "inputFields", "at least 1", **EMBED | {"inputFields": []}
    ),
    "a function that fills nothing": of_function(
        "outputFields", "at least 1", **EMBED | {"outputFields": []}
    ),
    "a function of 17 fields": of_function(
        "inputFields", "most 16 items", **EMBED | {"inputFields": ["text"] * 17}
    ),
    "a parameter of a function without a name": of_function(
        "params", "1 to 256 characters", params={"": 1}
    ),
    "a name of a parameter of 257": of_index(
        "params", "1 to 256 characters", params={"p" * 257: 1}
    ),
    "another index": of_index("type", '"FLAT"', type="flat"),
    "another metric": of_index("metricType", '"L2"', metricType="TANIMOTO"),
    "33 parameters of an index": of_index(
        "params", "most 32 items", params={f"{n}": n for n in range(33)}
    ),
    "a parameter of an index of 257": of_index("params.a", "than 256", params={"a": "v" * 257}),
}


REFUSED = BAD_SCHEMAS | BEYOND_BOUNDS


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(collections: Any, spec: Any) -> None:
    """What some version of Milvus takes is accepted."""
    assert collections.try_create(LONG | spec) == []


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_refused(collections: Any, bad: Bad) -> None:
    """What no server takes is refused, where it is wrong and only there."""
    collections.check_refused(LONG | bad.spec, bad.at, bad.words)


NAMED = {
    "a function of no field": "a function names a field that there is not: f; add the field",
    "an index of no field": "an index is of a field that there is not: x; add the field",
    "IVF_FLAT over bits": "as the description of type says: bits; take one of these, or AUTOINDEX",
    "cosine of bits": "as the description of metricType says, and other fields have none: bits; ",
    "BM25 into dense vectors": "because Milvus computes nothing else by them: f; name two",
    "a nullable field that a function fills": "it is computed for every row: terms; take that off",
}


@pytest.mark.parametrize(("name", "words"), NAMED.items(), ids=NAMED)
def test_the_message_names_the_first_that_is_wrong(collections: Any, name: str, words: str) -> None:
    """Where the place of the error is a whole list."""
    [refusal] = collections.try_create(LONG | BAD_SCHEMAS[name].spec)
    assert words in refusal.message


def test_all_that_is_wrong_is_told_at_once(collections: Any) -> None:
    """Several fields may be wrong, and the schema as a whole."""
    spec = LONG | whole({**VECTOR, "dimension": None}, {**TEXT, "maxLength": None})
    spec["milvus"]["schema"]["fields"] = [
        {key: value for key, value in field.items() if value is not None}
        for field in spec["milvus"]["schema"]["fields"]
    ]
    found = {refusal.field for refusal in collections.try_create(spec)}
    assert found == {FIELDS, f"{FIELDS}[0].dimension", f"{FIELDS}[1].maxLength"}


def test_what_is_absent_stays_absent(collections: Any) -> None:
    """Nothing is filled in, so that a spec that was imported is as it was."""
    spec = LONG | more(TEXT, indexes=[{"field": "vector", "type": "FLAT"}])
    stored = collections.create(spec, dry_run="All")["spec"]
    assert stored["milvus"] == spec["milvus"]
    assert SCHEMA.endswith(next(iter(stored["milvus"])))
