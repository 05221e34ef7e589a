"""What a NetworkPolicy allows, by the documented semantics: nothing in tests enforces policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from quiver.domain.kubernetes_types import Manifest

NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Source:
    """Where a connection comes from: a pod with its labels, or an address outside of the cluster.

    `namespace` is that of the pod, None for what is no pod of the cluster. Each namespace has its
    name among its labels, as the API server sees to.
    """

    namespace: str | None = None
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    ip: str = "10.244.0.9"


def allows(policy: Manifest, target: Mapping[str, str], source: Source, port: int) -> bool:
    """Tell whether the source may open a TCP connection to the port of a pod in the policy's
    namespace that has the labels `target`, where there is no other policy.
    """
    spec = policy["spec"]
    if "Ingress" not in spec["policyTypes"] or not selects(spec["podSelector"], target):
        return True
    own = policy["metadata"]["namespace"]
    return any(
        _has_port(rule, port) and _has_peer(rule, own, source) for rule in spec.get("ingress", [])
    )


def selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector picks something with these labels."""
    equal = selector.get("matchLabels", {}).items() <= labels.items()
    return equal and all(_holds(each, labels) for each in selector.get("matchExpressions", []))


def _holds(expression: Manifest, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def _has_port(rule: Manifest, port: int) -> bool:
    """A rule without ports is about every port; a port without protocol is one of TCP."""
    ports = rule.get("ports", [])
    return not ports or any(
        each.get("protocol", "TCP") == "TCP"
        and each.get("port", port) <= port <= each.get("endPort", each.get("port", port))
        for each in ports
    )


def _has_peer(rule: Manifest, own: str, source: Source) -> bool:
    """A rule without peers is about everyone."""
    peers = rule.get("from", [])
    return not peers or any(_is(peer, own, source) for peer in peers)


def _is(peer: Manifest, own: str, source: Source) -> bool:
    if "ipBlock" in peer:
        return _is_in(peer["ipBlock"], source.ip)
    if source.namespace is None:
        return False
    if "namespaceSelector" in peer:
        labels = {**source.namespace_labels, NAME_LABEL: source.namespace}
        is_there = selects(peer["namespaceSelector"], labels)
    else:
        is_there = source.namespace == own
    return is_there and selects(peer.get("podSelector", {}), source.pod_labels)


def _is_in(block: Any, ip: str) -> bool:
    address = ip_address(ip)
    left_out = any(address in ip_network(cidr) for cidr in block.get("except", []))
    return address in ip_network(block["cidr"]) and not left_out
