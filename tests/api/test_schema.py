"""What holds for every field of both schemas."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["vectorcollections", "vectorengines"])
def fields(request: pytest.FixtureRequest, all_fields: Any) -> Any:
    """The fields of each kind in turn."""
    return all_fields[request.param]


@pytest.fixture(params=["vectorcollections", "vectorengines"])
def rules(request: pytest.FixtureRequest, all_fields: Any, schemas: Any) -> Any:
    """The CEL rules of each kind in turn."""
    schema = schemas[request.param]
    return [
        rule
        for part in [schema, *(field.schema for field in all_fields[request.param])]
        for rule in part.get("x-kubernetes-validations", [])
    ]


def test_described(fields: Any) -> None:
    """Every field has a description."""
    assert [field.path for field in fields if not field.schema.get("description")] == []


def test_strings_are_bounded(fields: Any) -> None:
    """Every string has a greatest length or a list of values, so that rules have a bounded cost."""
    outside = {".apiVersion", ".kind"}
    strings = [
        field
        for field in fields
        if field.path not in outside
        and (field.schema.get("type") == "string" or "x-kubernetes-int-or-string" in field.schema)
    ]
    assert [f.path for f in strings if not {"maxLength", "enum"} & f.schema.keys()] == []


def test_lists_and_maps_are_bounded(fields: Any) -> None:
    """Every list and map has a greatest size, so that rules have a bounded cost."""
    lists = [f for f in fields if f.schema.get("type") == "array"]
    maps = [f for f in fields if "additionalProperties" in f.schema]
    assert [f.path for f in lists if "maxItems" not in f.schema] == []
    assert [f.path for f in maps if "maxProperties" not in f.schema] == []


def test_lists_name_their_type(fields: Any) -> None:
    """Every list says whether it is merged or replaced as a whole."""
    lists = [f for f in fields if f.schema.get("type") == "array"]
    assert [f.path for f in lists if "x-kubernetes-list-type" not in f.schema] == []


def test_observed_generation_comes_first(schemas: Any) -> None:
    """Status begins with the generation that it speaks of."""
    for schema in schemas.values():
        assert next(iter(schema["properties"]["status"]["properties"])) == "observedGeneration"


def test_rules_speak_plainly(rules: Any) -> None:
    """A rule has a message that says what to do after a semicolon, without a full stop."""
    assert [rule["rule"] for rule in rules if "; " not in rule["message"]] == []
    assert [rule["rule"] for rule in rules if rule["message"].endswith(".")] == []
