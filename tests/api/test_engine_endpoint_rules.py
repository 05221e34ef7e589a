"""What a VectorEngine may say of servers that others run, and of TLS."""

from __future__ import annotations

from typing import Any

import pytest

EXTERNAL = {"external": {"endpoints": ["milvus.example.org:19530"]}}
STORAGE = {"storage": {"size": "10Gi"}}


def endpoint(text: str) -> Any:
    """An external engine at one endpoint."""
    return {"external": {"endpoints": [text]}}


MUTUAL = {"secretName": "engine-tls", "clientCASecretName": "ca", "clientSecretName": "client"}
NO_PODS = "makes no pods for an external engine"
HOST_PORT = "an endpoint is host:port"
ACCEPTED = {
    "an external engine": EXTERNAL,
    "an external Milvus 1.x without image": EXTERNAL | {"type": "Milvus1"},
    "an external engine with the one replica said aloud": EXTERNAL | {"replicas": 1},
    "64 endpoints": {"external": {"endpoints": [f"h{n}.example.org:1" for n in range(64)]}},
    "an endpoint in this cluster": endpoint("milvus.team.svc:19530"),
    "an endpoint by IPv4": endpoint("192.0.2.1:1"),
    "an endpoint by IPv6": endpoint("[fd00::1]:19530"),
    "the highest port": endpoint("h.example.org:65535"),
    "an external engine over TLS with public CAs": EXTERNAL | {"tls": {}},
    "an external engine over mutual TLS": EXTERNAL
    | {"tls": {"caSecretName": "ca", "clientSecretName": "client.example.org"}},
    "pods over TLS": {"tls": {"secretName": "engine-tls"}},
    "pods over mutual TLS": {"tls": MUTUAL},
    "limits of an external engine": EXTERNAL | {"limits": {"maxCollectionsAndPartitions": 8}},
    "DeleteIfEmpty by default": EXTERNAL | {"defaultDeletionPolicy": "DeleteIfEmpty"},
}
REFUSED = {
    "pods over TLS without a certificate": (
        {"tls": {"caSecretName": "ca"}},
        "spec.tls.secretName",
        "is required without .spec.external",
    ),
    "Milvus 1.x over TLS": (
        {"type": "Milvus1", "image": "milvus", "tls": {"secretName": "engine-tls"}},
        "spec.tls",
        "does not speak TLS",
    ),
    "a certificate for an external engine": (
        EXTERNAL | {"tls": {"secretName": "engine-tls"}},
        "spec.tls.secretName",
        "must not be given with .spec.external",
    ),
    "a client CA for an external engine": (
        EXTERNAL | {"tls": {"clientCASecretName": "ca", "clientSecretName": "client"}},
        "spec.tls.clientCASecretName",
        "must not be given with .spec.external",
    ),
    "a client CA and no certificate for Quiver": (
        {"tls": {"secretName": "engine-tls", "clientCASecretName": "ca"}},
        "spec.tls.clientSecretName",
        "would not let Quiver in",
    ),
    "a Secret of no name": (
        EXTERNAL | {"tls": {"caSecretName": "A_B"}},
        "spec.tls.caSecretName",
        "should match",
    ),
    "external without endpoints": ({"external": {}}, "spec.external.endpoints", "Required value"),
    "no endpoint": ({"external": {"endpoints": []}}, "spec.external.endpoints", "at least 1 item"),
    "65 endpoints": (
        {"external": {"endpoints": [f"h{n}.example.org:1" for n in range(65)]}},
        "spec.external.endpoints",
        "at most 64 items",
    ),
    "an endpoint twice": (
        {"external": {"endpoints": ["a.example.org:1", "a.example.org:1"]}},
        "spec.external.endpoints[1]",
        "Duplicate value",
    ),
    "an empty endpoint": (endpoint(""), "spec.external.endpoints[0]", HOST_PORT),
    "an endpoint without port": (
        endpoint("h.example.org"),
        "spec.external.endpoints[0]",
        HOST_PORT,
    ),
    "an endpoint with a scheme": (endpoint("tcp://a.b:1"), "spec.external.endpoints[0]", HOST_PORT),
    "port 0": (endpoint("a.b:0"), "spec.external.endpoints[0]", HOST_PORT),
    "port 65536": (endpoint("a.b:65536"), "spec.external.endpoints[0]", HOST_PORT),
    "a bare IPv6 address": (endpoint("fd00::1:19530"), "spec.external.endpoints[0]", HOST_PORT),
    "a bare name": (endpoint("milvus:1"), "spec.external.endpoints[0]", "NAME.NAMESPACE.svc"),
    "localhost": (endpoint("localhost:1"), "spec.external.endpoints[0]", "the full name"),
    "a long endpoint": (
        endpoint("a." + "h" * 256 + ":1"),
        "spec.external.endpoints[0]",
        "than 259",
    ),
    "two external replicas": (EXTERNAL | {"replicas": 2}, "spec.replicas", "are its endpoints"),
    "no external replica": (EXTERNAL | {"replicas": 0}, "spec.replicas", "are its endpoints"),
    "external with image": (EXTERNAL | {"image": "a"}, "spec.image", NO_PODS),
    "external with gpu": (EXTERNAL | {"gpu": {}}, "spec.gpu", NO_PODS),
    "external with storage": (EXTERNAL | STORAGE, "spec.storage", NO_PODS),
    "external with resources": (EXTERNAL | {"resources": {}}, "spec.resources", NO_PODS),
    "external with nodeSelector": (EXTERNAL | {"nodeSelector": {}}, "spec.nodeSelector", NO_PODS),
    "external with tolerations": (EXTERNAL | {"tolerations": []}, "spec.tolerations", NO_PODS),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """An engine that Quiver can reach is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """An engine that cannot be reached so is refused, at the wrong field and only there."""
    engines.check_refused(spec, field, words)
