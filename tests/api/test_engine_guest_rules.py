"""Which namespaces a VectorEngine may admit."""

from __future__ import annotations

from typing import Any

import pytest

EXTERNAL = {"external": {"endpoints": ["milvus.example.org:19530"]}}


def allowed(selector: Any) -> Any:
    """An engine for namespaces that a selector picks."""
    return {"allowedNamespaces": {"from": "Selector", "selector": selector}}


def expression(**fields: Any) -> Any:
    """An engine for namespaces about whose labels one statement holds."""
    return allowed({"matchExpressions": [fields]})


ALLOWED = "spec.allowedNamespaces"
EXPRESSIONS = f"{ALLOWED}.selector.matchExpressions"
STATEMENT = f"{EXPRESSIONS}[0]"
ACCEPTED = {
    "its own namespace": {"allowedNamespaces": {"from": "Same"}},
    "its own namespace by default": {"allowedNamespaces": {}},
    "all namespaces": EXTERNAL | {"allowedNamespaces": {"from": "All"}},
    "namespaces of any labels": allowed({}),
    "namespaces by label": allowed({"matchLabels": {"example.org/team": "a", "empty": ""}}),
    "namespaces by 64 labels": allowed({"matchLabels": {f"k{n}": "" for n in range(64)}}),
    "a label among several": expression(key="a", operator="In", values=["b", ""]),
    "a label not among several": expression(key="a.b/c", operator="NotIn", values=["b"]),
    "a label among 64": expression(key="a", operator="In", values=[f"{n}" for n in range(64)]),
    "a label that is there": expression(key="a", operator="Exists"),
    "a label that is not there": expression(key="a", operator="DoesNotExist", values=[]),
    "32 statements": allowed({"matchExpressions": [{"key": "a", "operator": "Exists"}] * 32}),
}
REFUSED = {
    "namespaces otherwise": ({"allowedNamespaces": {"from": "Any"}}, f"{ALLOWED}.from", '"Same"'),
    "Selector without one": (
        {"allowedNamespaces": {"from": "Selector"}},
        f"{ALLOWED}.selector",
        "is required when from is Selector",
    ),
    "All with a selector": (
        {"allowedNamespaces": {"from": "All", "selector": {}}},
        f"{ALLOWED}.selector",
        "must not be given otherwise",
    ),
    "a selector alone": (
        {"allowedNamespaces": {"selector": {}}},
        f"{ALLOWED}.selector",
        "set from to Selector",
    ),
    "65 labels of namespaces": (
        allowed({"matchLabels": {f"k{n}": "" for n in range(65)}}),
        f"{ALLOWED}.selector.matchLabels",
        "at most 64 items",
    ),
    "a wrong label of namespaces": (
        allowed({"matchLabels": {"a": "-"}}),
        f"{ALLOWED}.selector.matchLabels.a",
        "should match",
    ),
    "a long label of namespaces": (
        allowed({"matchLabels": {"a": "b" * 64}}),
        f"{ALLOWED}.selector.matchLabels.a",
        "than 63",
    ),
    "a long key of namespaces": (
        allowed({"matchLabels": {"a" * 318: ""}}),
        f"{ALLOWED}.selector.matchLabels",
        "at most 317 characters",
    ),
    "33 statements": (
        allowed({"matchExpressions": [{"key": "a", "operator": "Exists"}] * 33}),
        EXPRESSIONS,
        "at most 32 items",
    ),
    "a statement about nothing": (expression(operator="Exists"), f"{STATEMENT}.key", "Required"),
    "a statement with an empty key": (
        expression(key="", operator="Exists"),
        f"{STATEMENT}.key",
        "at least 1",
    ),
    "a statement with a wrong key": (
        expression(key="a b", operator="Exists"),
        f"{STATEMENT}.key",
        "should match",
    ),
    "a statement with a long key": (
        expression(key="a" * 316 + "/b", operator="Exists"),
        f"{STATEMENT}.key",
        "than 317",
    ),
    "a statement without operator": (expression(key="a"), f"{STATEMENT}.operator", "Required"),
    "a statement with another operator": (
        expression(key="a", operator="Is"),
        f"{STATEMENT}.operator",
        '"In", "NotIn", "Exists", "DoesNotExist"',
    ),
    "In without values": (expression(key="a", operator="In"), f"{STATEMENT}.values", "required"),
    "NotIn with no value": (
        expression(key="a", operator="NotIn", values=[]),
        f"{STATEMENT}.values",
        "required with the operators In and NotIn",
    ),
    "a label that is there with values": (
        expression(key="a", operator="Exists", values=["b"]),
        f"{STATEMENT}.values",
        "must not be given",
    ),
    "a label that is not there with values": (
        expression(key="a", operator="DoesNotExist", values=["b"]),
        f"{STATEMENT}.values",
        "must not be given",
    ),
    "65 values": (
        expression(key="a", operator="In", values=["b"] * 65),
        f"{STATEMENT}.values",
        "at most 64 items",
    ),
    "a wrong value": (
        expression(key="a", operator="In", values=["b c"]),
        f"{STATEMENT}.values[0]",
        "should match",
    ),
    "a long value": (
        expression(key="a", operator="In", values=["b" * 64]),
        f"{STATEMENT}.values[0]",
        "than 63",
    ),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """Namespaces may be chosen in each way that Kubernetes has for it."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """A choice of namespaces that cannot be is refused, at the wrong field and only there."""
    engines.check_refused(spec, field, words)
