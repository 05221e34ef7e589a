"""What a VectorEngine may specify about its NetworkPolicy."""

from __future__ import annotations

from typing import Any

import pytest


def peer(**fields: Any) -> Any:
    """One peer."""
    return {"networkPolicy": {"peers": [fields]}}


def required(key: str = "a", operator: str = "Exists", **fields: Any) -> Any:
    """A peer with one requirement for a label."""
    expression = {"key": key, "operator": operator, **fields}
    return peer(podSelector={"matchExpressions": [expression]})


def block(cidr: str, *others: str) -> Any:
    """A peer of addresses."""
    return peer(ipBlock={"cidr": cidr, **({"except": list(others)} if others else {})})


PEER = "spec.networkPolicy.peers[0]"
EXPRESSION = f"{PEER}.podSelector.matchExpressions[0]"
ACCEPTED = {
    "with its defaults": {"networkPolicy": {}},
    "switched off": {"networkPolicy": {"enabled": False, "peers": [{"podSelector": {}}]}},
    "pods of the namespace": peer(podSelector={"matchLabels": {"app": "search"}}),
    "every pod of some namespaces": peer(namespaceSelector={"matchLabels": {"team": "a"}}),
    "some pods of some namespaces": peer(
        podSelector={"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    ),
    "a label of several values": required("team", "In", values=["a", "b"]),
    "a label that is absent": required("team", "DoesNotExist"),
    "addresses": block("10.20.0.0/16"),
    "addresses with a gap": block("10.20.0.0/16", "10.20.3.0/24"),
    "addresses of IPv6": block("fd00::/8", "fd00:1::/32"),
    "two requirements with many long values": peer(
        podSelector={
            "matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["a" * 63] * 16}] * 2,
        }
    ),
    "16 peers": {"networkPolicy": {"peers": [{"podSelector": {}}] * 16}},
}
REFUSED = {
    "for an external engine": (
        {"external": {"endpoints": ["m.example.org:1"]}, "networkPolicy": {}},
        "spec.networkPolicy",
        "Quiver makes no pods for an external engine",
    ),
    "17 peers": (
        {"networkPolicy": {"peers": [{"podSelector": {}}] * 17}},
        "spec.networkPolicy.peers",
        "at most 16",
    ),
    "an empty peer": (peer(), PEER, "a peer has either ipBlock, or podSelector"),
    "pods and addresses at once": (
        peer(podSelector={}, ipBlock={"cidr": "10.0.0.0/8"}),
        PEER,
        "write two peers",
    ),
    "a block without addresses": (peer(ipBlock={}), f"{PEER}.ipBlock.cidr", "Required"),
    "an address without bits": (block("10.0.0.1"), f"{PEER}.ipBlock.cidr", "should match"),
    "a name for addresses": (block("example.org/8"), f"{PEER}.ipBlock.cidr", "should match"),
    "a long address": (block("f" * 60 + "::/8"), f"{PEER}.ipBlock.cidr", "than 49"),
    "a gap that is no network": (
        block("10.0.0.0/8", "all"),
        f"{PEER}.ipBlock.except[0]",
        "should match",
    ),
    "17 gaps": (
        block("10.0.0.0/8", *["10.1.0.0/16"] * 17),
        f"{PEER}.ipBlock.except",
        "at most 16",
    ),
    "9 labels": (
        peer(podSelector={"matchLabels": {f"k{n}": "" for n in range(9)}}),
        f"{PEER}.podSelector.matchLabels",
        "at most 8",
    ),
    "a wrong value of a label": (
        peer(namespaceSelector={"matchLabels": {"a": "b c"}}),
        f"{PEER}.namespaceSelector.matchLabels.a",
        "should match",
    ),
    "9 requirements": (
        peer(podSelector={"matchExpressions": [{"key": "a", "operator": "Exists"}] * 9}),
        f"{PEER}.podSelector.matchExpressions",
        "at most 8",
    ),
    "17 values": (
        required(operator="In", values=["a"] * 17),
        f"{EXPRESSION}.values",
        "at most 16",
    ),
    "In without values": (required(operator="In"), f"{EXPRESSION}.values", "values are required"),
    "Exists with values": (
        required(values=["a"]),
        f"{EXPRESSION}.values",
        "must not be given with Exists",
    ),
    "a wrong key": (required("a b"), f"{EXPRESSION}.key", "should match"),
    "a key that no label has": (
        peer(podSelector={"matchLabels": {"a" * 2049: ""}}),
        f"{PEER}.podSelector",
        "at most 2048 characters together",
    ),
    "as many long values as there may be": (
        peer(
            namespaceSelector={
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["a" * 63] * 16}] * 3
            }
        ),
        f"{PEER}.namespaceSelector",
        "at most 2048 characters together",
    ),
    "another operator": (required(operator="Gt"), f"{EXPRESSION}.operator", '"In", "NotIn"'),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """A NetworkPolicy of peers that Kubernetes knows is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """Peers that a NetworkPolicy cannot have are refused, at the wrong field and only there."""
    engines.check_refused(spec, field, words)


def test_it_may_be_changed(engines: Any) -> None:
    """It is added, changed and removed while the engine runs."""
    assert engines.try_change({}, {"networkPolicy": {}}) == []
    assert engines.try_change({"networkPolicy": {}}, {"networkPolicy": None}) == []
    assert engines.try_change({"networkPolicy": {}}, {"networkPolicy": {"enabled": False}}) == []
