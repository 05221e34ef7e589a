"""The reading of NetworkPolicies in tests, held against the documentation of Kubernetes."""

from typing import Any

import pytest

from quiver.domain.kubernetes_types import Manifest
from support.network_policies import Source, allows

DB = {"role": "db"}
USERS: Manifest = {"namespaceSelector": {"matchLabels": {"user": "alice"}}}
CLIENTS: Manifest = {"podSelector": {"matchLabels": {"role": "client"}}}
OFFICE: Manifest = {"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}}
ALICE, ROLE = {"user": "alice"}, {"role": "client"}
PORT = 6379


def policy(*ingress: Manifest, types: tuple[str, ...] = ("Ingress",), **spec: Any) -> Manifest:
    """Return a policy for the pods of a database in the namespace `default`."""
    selected = {"podSelector": {"matchLabels": DB}, "policyTypes": list(types), **spec}
    return {"metadata": {"namespace": "default"}, "spec": {**selected, "ingress": list(ingress)}}


def rule(*peers: Manifest, port: Any = PORT, **fields: Any) -> Manifest:
    return {"from": list(peers), "ports": [{"protocol": "TCP", "port": port, **fields}]}


HERE, THERE = Source("default", pod_labels=ROLE), Source("other", ALICE, ROLE)
CASES: dict[str, tuple[Manifest, Source, bool]] = {
    "no rule denies all": (policy(), HERE, False),
    "an empty rule allows all": (policy({}), Source(ip="8.8.8.8"), True),
    "a policy of egress denies no ingress": (policy(types=("Egress",)), HERE, True),
    "pods of the policy's own namespace": (policy(rule(CLIENTS)), HERE, True),
    "pods with such labels in another one": (policy(rule(CLIENTS)), THERE, False),
    "other pods of the own namespace": (policy(rule(CLIENTS)), Source("default"), False),
    "every pod of a namespace": (policy(rule(USERS)), Source("other", ALICE), True),
    "a namespace without the label": (policy(rule(USERS)), Source("other"), False),
    "two peers: either of them": (policy(rule(USERS, CLIENTS)), Source("other", ALICE), True),
    "one peer of both: namespace and pod": (policy(rule({**USERS, **CLIENTS})), THERE, True),
    "one peer of both: not the pod": (
        policy(rule({**USERS, **CLIENTS})),
        Source("other", ALICE),
        False,
    ),
    "one peer of both: not the namespace": (policy(rule({**USERS, **CLIENTS})), HERE, False),
    "an address": (policy(rule(OFFICE)), Source(ip="172.17.0.9"), True),
    "an address that is left out": (policy(rule(OFFICE)), Source(ip="172.17.1.9"), False),
    "an address outside": (policy(rule(OFFICE)), Source(ip="172.18.0.9"), False),
    "an address is no pod": (policy(rule(USERS, CLIENTS)), Source(ip="172.17.0.9"), False),
    "another port": (policy(rule(CLIENTS, port=80)), HERE, False),
    "a range of ports": (policy(rule(CLIENTS, port=6000, endPort=7000)), HERE, True),
    "beyond a range": (policy(rule(CLIENTS, port=6000, endPort=6378)), HERE, False),
    "another protocol": (policy(rule(CLIENTS, protocol="UDP")), HERE, False),
    "any of several rules": (policy(rule(CLIENTS, port=80), rule(CLIENTS)), HERE, True),
    "each rule by itself": (policy(rule(CLIENTS, port=80), rule(USERS)), HERE, False),
}


@pytest.mark.parametrize(("manifest", "source", "allowed"), CASES.values(), ids=CASES)
def test_what_a_policy_allows(manifest: Manifest, source: Source, allowed: bool) -> None:
    """Peers of a rule add up, and so do rules; the parts of one peer all have to hold."""
    assert allows(manifest, DB, source, PORT) is allowed


def test_pods_that_no_policy_selects_are_open() -> None:
    """A policy isolates the pods that it selects and no others."""
    assert allows(policy(), {"role": "web"}, HERE, PORT)
    assert not allows(policy(podSelector={}), {"role": "web"}, HERE, PORT)


@pytest.mark.parametrize(
    ("operator", "values", "labels", "selected"),
    [
        ("In", ["a"], {"k": "a"}, True),
        ("In", ["a"], {}, False),
        ("NotIn", ["a"], {"k": "a"}, False),
        ("NotIn", ["a"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {"k": ""}, False),
        ("DoesNotExist", [], {}, True),
    ],
)
def test_requirements_for_labels(
    operator: str, values: list[str], labels: dict[str, str], selected: bool
) -> None:
    """They mean what they mean in every label selector, and so what `allowedNamespaces` means."""
    expression = {"key": "k", "operator": operator, "values": values}
    peer = {"podSelector": {"matchExpressions": [expression]}}
    source = Source("default", pod_labels=labels)
    assert allows(policy(rule(peer)), DB, source, PORT) is selected
