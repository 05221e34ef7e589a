"""The NetworkPolicy of a managed VectorEngine: who may connect to its pods."""

from typing import Any

import msgspec

from quiver.domain.engines import AllowedNamespaces, VectorEngine
from quiver.domain.installation import OperatorPods
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import GRPC_PORT
from quiver.reconcile.engines.container_profiles import CONTAINER_PROFILES
from quiver.reconcile.engines.workload import labels_of, owned

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""The API server sets it on each namespace, to the namespace's name."""

_SELECTORS = ("podSelector", "namespaceSelector")
_OWN_NAMESPACE: Manifest = {"podSelector": {}}
_EVERY_NAMESPACE: Manifest = {"namespaceSelector": {}}


def wants_network_policy(engine: VectorEngine) -> bool:
    return engine.spec.network_policy is not None and engine.spec.network_policy.enabled


def network_policy_for(engine: VectorEngine, operator_pods: OperatorPods) -> Manifest:
    """Return the NetworkPolicy's manifest. The engine's spec must have `network_policy`."""
    wanted = engine.spec.network_policy
    assert wanted is not None
    peers = [_stored(peer) for peer in wanted.peers]
    clients = [
        _operator(operator_pods),
        _OWN_NAMESPACE,
        *_guests(engine.spec.allowed_namespaces),
        *peers,
    ]
    ingress = [_rule(clients, GRPC_PORT)]
    # A rule without peers would allow everyone.
    if peers:
        ingress.append(_rule(peers, CONTAINER_PROFILES[engine.spec.type].http_port))
    spec = {
        "podSelector": {"matchLabels": labels_of(engine)},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    return owned(engine, "networking.k8s.io/v1", "NetworkPolicy", spec)


def _operator(pods: OperatorPods) -> Manifest:
    peer: Manifest = {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: pods.namespace}}}
    return {**peer, "podSelector": {"matchLabels": dict(pods.labels)}} if pods.labels else peer


def _guests(allowed: AllowedNamespaces) -> list[Manifest]:
    match allowed.from_:
        case "Same":
            return []
        case "All":
            return [_EVERY_NAMESPACE]
        case "Selector":
            return [_stored({"namespaceSelector": msgspec.to_builtins(allowed.selector)})]


def _rule(peers: list[Manifest], port: int) -> Manifest:
    return {"from": peers, "ports": [{"protocol": "TCP", "port": port}]}


def _stored(value: Any) -> Any:
    """Return a peer as the API server stores it, so that both can be compared.

    Empty lists and maps are omitted. Only the selectors stay: an empty one picks everything.
    """
    if isinstance(value, dict):
        inner = {key: _stored(item) for key, item in value.items()}
        return {k: v for k, v in inner.items() if v not in ([], {}) or k in _SELECTORS}
    return [_stored(item) for item in value] if isinstance(value, list | tuple) else value
