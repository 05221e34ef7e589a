"""What a VectorEngine may say, and what may be changed in it later."""

from __future__ import annotations

from typing import Any

import pytest

EXTERNAL = {"external": {"endpoints": ["milvus.example.org:19530"]}}
STORAGE = {"storage": {"size": "10Gi"}}


def endpoint(text: str) -> Any:
    """An external engine at one endpoint."""
    return {"external": {"endpoints": [text]}}


def limits(**amounts: Any) -> Any:
    """Limits of resources; `_` stands for what a Python name cannot hold."""
    return {"resources": {"limits": amounts}}


def toleration(**fields: Any) -> Any:
    """One toleration."""
    return {"tolerations": [fields]}


def allowed(selector: Any) -> Any:
    """An engine for namespaces that a selector picks."""
    return {"allowedNamespaces": {"from": "Selector", "selector": selector}}


def expression(**fields: Any) -> Any:
    """An engine for namespaces about whose labels one statement holds."""
    return allowed({"matchExpressions": [fields]})


MUTUAL = {"secretName": "engine-tls", "clientCASecretName": "ca", "clientSecretName": "client"}
ACCEPTED = {
    "the least that can be said": {},
    "no replica": {"replicas": 0},
    "64 replicas": {"replicas": 64},
    "an image by digest": {"image": "localhost/engine@sha256:" + "0" * 64},
    "Milvus 1.x with an image": {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1"},
    "one GPU": {"gpu": {}},
    "16 GPUs": {"gpu": {"count": 16}},
    "a part of a GPU": {"gpu": {"resourceName": "nvidia.com/mig-1g.5gb"}},
    "GPU memory as a quantity": {"gpu": {"minMemory": "16Gi"}},
    "GPU memory as a number": {"gpu": {"minMemory": 17179869184}},
    "storage": STORAGE,
    "storage of a class": {"storage": {"size": "1.5Ti", "className": "fast.example.org"}},
    "resources": {
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": 1, "memory": "1Gi", "hugepages-2Mi": "4Mi", "example.org/nic": 1},
        }
    },
    "a request without its limit": {"resources": {"requests": {"cpu": 8}, "limits": {"memory": 1}}},
    "a request equal to its limit in another unit": {
        "resources": {"requests": {"memory": "1024Mi"}, "limits": {"memory": "1Gi"}}
    },
    "a resource of none": limits(cpu="0", memory=0),
    "a node selector": {"nodeSelector": {"topology.kubernetes.io/zone": "a", "empty": ""}},
    "a toleration of a taint": toleration(
        key="a", operator="Equal", value="b", effect="NoSchedule"
    ),
    "a toleration without operator": toleration(key="example.org/a", value="b"),
    "a toleration of any value": toleration(key="a", operator="Exists", effect="PreferNoSchedule"),
    "a toleration of every taint": toleration(operator="Exists"),
    "a toleration for a while": toleration(key="a", effect="NoExecute", tolerationSeconds=60),
    "32 tolerations": {"tolerations": [{"key": f"k{n}"} for n in range(32)]},
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
    "no limits said": {"limits": {}},
    "one collection a pod": {"limits": {"maxCollectionsAndPartitions": 1}},
    "4096 collections a pod": {"limits": {"maxCollectionsAndPartitions": 4096}},
    "limits of an external engine": EXTERNAL | {"limits": {"maxCollectionsAndPartitions": 8}},
    "Delete by default": {"defaultDeletionPolicy": "Delete"},
    "Retain by default": {"defaultDeletionPolicy": "Retain"},
    "DeleteIfEmpty by default": EXTERNAL | {"defaultDeletionPolicy": "DeleteIfEmpty"},
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
ALLOWED = "spec.allowedNamespaces"
EXPRESSIONS = f"{ALLOWED}.selector.matchExpressions"
STATEMENT = f"{EXPRESSIONS}[0]"
LIMIT = "spec.limits.maxCollectionsAndPartitions"
POLICY = "spec.defaultDeletionPolicy"
NO_PODS = "makes no pods for an external engine"
ON_GPU = "the resource that stands for a GPU"
HOST_PORT = "an endpoint is host:port"
NEGATIVE = "must not be negative"
REFUSED = {
    "another type": ({"type": "Milvus2"}, "spec.type", '"Quiver", "Milvus1"'),
    "-1 replicas": ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    "65 replicas": ({"replicas": 65}, "spec.replicas", "less than or equal to 64"),
    "an empty image": ({"image": ""}, "spec.image", "at least 1"),
    "a blank in the image": ({"image": "a b"}, "spec.image", "should match"),
    "an image of 1025": ({"image": "a" * 1025}, "spec.image", "than 1024"),
    "Milvus 1.x without image": ({"type": "Milvus1"}, "spec.image", "required for type Milvus1"),
    "no GPU": ({"gpu": {"count": 0}}, "spec.gpu.count", "greater than or equal to 1"),
    "17 GPUs": ({"gpu": {"count": 17}}, "spec.gpu.count", "less than or equal to 16"),
    "a GPU without vendor": ({"gpu": {"resourceName": "gpu"}}, "spec.gpu.resourceName", "match"),
    "no GPU resource": ({"gpu": {"resourceName": ""}}, "spec.gpu.resourceName", "should match"),
    "a long GPU resource": (
        {"gpu": {"resourceName": "a" * 316 + "/b"}},
        "spec.gpu.resourceName",
        "than 317",
    ),
    "no GPU memory": ({"gpu": {"minMemory": "0"}}, "spec.gpu.minMemory", "more than 0"),
    "more GPU memory than there is": (
        {"gpu": {"minMemory": "1Pi"}},
        "spec.gpu.minMemory",
        "less than 1Pi",
    ),
    "as many bytes of GPU memory": ({"gpu": {"minMemory": 2**50}}, "spec.gpu.minMemory", "1Pi"),
    "an endless quantity": ({"storage": {"size": "1e100"}}, "spec.storage.size", "should match"),
    "half an exponent": (limits(cpu="1e1.5"), "spec.resources.limits.cpu", "should match"),
    "negative GPU memory": ({"gpu": {"minMemory": "-16Gi"}}, "spec.gpu.minMemory", "more than 0"),
    "GPU memory in words": ({"gpu": {"minMemory": "16 GB"}}, "spec.gpu.minMemory", "match"),
    "storage without size": ({"storage": {}}, "spec.storage.size", "Required value"),
    "storage of nothing": ({"storage": {"size": 0}}, "spec.storage.size", "more than 0"),
    "negative storage": ({"storage": {"size": "-1Gi"}}, "spec.storage.size", "more than 0"),
    "storage in words": ({"storage": {"size": "big"}}, "spec.storage.size", "should match"),
    "an empty class": (
        {"storage": {"size": 1, "className": ""}},
        "spec.storage.className",
        "at least 1",
    ),
    "a class in capitals": (
        {"storage": {"size": 1, "className": "Fast"}},
        "spec.storage.className",
        "should match",
    ),
    "a long class": (
        {"storage": {"size": 1, "className": "a" * 254}},
        "spec.storage.className",
        "than 253",
    ),
    "an unknown resource": (limits(mem="1Gi"), "spec.resources.limits", "correct the name"),
    "an unknown resource requested": (
        {"resources": {"requests": {"mem": "1Gi"}}},
        "spec.resources.requests",
        "correct the name",
    ),
    "a negative limit": (limits(cpu=-1), "spec.resources.limits[cpu]", NEGATIVE),
    "a negative request": (
        {"resources": {"requests": {"memory": "-1Gi"}}},
        "spec.resources.requests[memory]",
        NEGATIVE,
    ),
    "a limit in words": (limits(cpu="many"), "spec.resources.limits.cpu", "should match"),
    "a request in words": (
        {"resources": {"requests": {"cpu": "few"}, "limits": {"cpu": 1}}},
        "spec.resources.requests.cpu",
        "should match",
    ),
    "17 limits": (
        {"resources": {"limits": {f"example.org/{n}": 1 for n in range(17)}}},
        "spec.resources.limits",
        "at most 16 items",
    ),
    "more requested than the limit": (
        {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
        "spec.resources.requests",
        "must not exceed",
    ),
    "the GPU among the limits": (
        {"gpu": {}, "resources": {"limits": {"nvidia.com/gpu": 1}}},
        "spec.resources.limits",
        ON_GPU,
    ),
    "the GPU among the requests": (
        {"gpu": {"resourceName": "a.org/b"}, "resources": {"requests": {"a.org/b": 1}}},
        "spec.resources.requests",
        ON_GPU,
    ),
    "a GPU only among the limits": (
        {"resources": {"limits": {"nvidia.com/gpu": 1}}},
        "spec.resources.limits",
        "take it out and set .spec.gpu",
    ),
    "a wrong label": ({"nodeSelector": {"a": "-"}}, "spec.nodeSelector.a", "should match"),
    "a long label": ({"nodeSelector": {"a": "b" * 64}}, "spec.nodeSelector.a", "than 63"),
    "65 labels": (
        {"nodeSelector": {f"k{n}": "" for n in range(65)}},
        "spec.nodeSelector",
        "at most 64 items",
    ),
    "33 tolerations": ({"tolerations": [{"key": "a"}] * 33}, "spec.tolerations", "at most 32"),
    "a toleration of nothing": (toleration(), "spec.tolerations[0].operator", "must have operator"),
    "a toleration with an empty key": (toleration(key=""), "spec.tolerations[0].key", "at least 1"),
    "a toleration with a wrong key": (toleration(key="a b"), "spec.tolerations[0].key", "match"),
    "a toleration with a long key": (
        toleration(key="a" * 316 + "/b"),
        "spec.tolerations[0].key",
        "than 317",
    ),
    "another operator": (
        toleration(key="a", operator="In"),
        "spec.tolerations[0].operator",
        '"Equal", "Exists"',
    ),
    "Exists with a value": (
        toleration(key="a", operator="Exists", value="b"),
        "spec.tolerations[0].value",
        "must not have a value",
    ),
    "a toleration with a wrong value": (
        toleration(key="a", value="b c"),
        "spec.tolerations[0].value",
        "should match",
    ),
    "a toleration with a long value": (
        toleration(key="a", value="b" * 64),
        "spec.tolerations[0].value",
        "than 63",
    ),
    "another effect": (
        toleration(key="a", effect="Evict"),
        "spec.tolerations[0].effect",
        '"NoSchedule", "PreferNoSchedule", "NoExecute"',
    ),
    "NoSchedule for a while": (
        toleration(key="a", effect="NoSchedule", tolerationSeconds=1),
        "spec.tolerations[0].effect",
        "must have effect NoExecute",
    ),
    "every effect for a while": (
        toleration(key="a", tolerationSeconds=1),
        "spec.tolerations[0].effect",
        "must have effect NoExecute",
    ),
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
    "no collection a pod": ({"limits": {"maxCollectionsAndPartitions": 0}}, LIMIT, "equal to 1"),
    "4097 a pod": ({"limits": {"maxCollectionsAndPartitions": 4097}}, LIMIT, "equal to 4096"),
    "another default": ({"defaultDeletionPolicy": "Orphan"}, POLICY, '"DeleteIfEmpty"'),
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
MILVUS = {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1"}
CLASSY = {"storage": {"size": "10Gi", "className": "a"}}
FIXED = {
    "another type": (MILVUS, {"type": "Quiver"}, "spec.type", "one server cannot read"),
    "the default type": (MILVUS, {"type": None}, "spec.type", "one server cannot read"),
    "more storage": (STORAGE, {"storage": {"size": "20Gi"}}, "spec.storage", "volume claims"),
    "storage where none was": ({}, STORAGE, "spec.storage", "volume claims"),
    "no storage any more": (STORAGE, {"storage": None}, "spec.storage", "volume claims"),
    "another class": (CLASSY, {"storage": {"className": "b"}}, "spec.storage", "volume claims"),
    "a class where none was": (STORAGE, CLASSY, "spec.storage", "volume claims"),
    "no class any more": (CLASSY, {"storage": {"className": None}}, "spec.storage", "volume"),
    "external from now on": ({}, EXTERNAL, "spec.external", "cannot be added"),
    "not external any more": (EXTERNAL, {"external": None}, "spec.external", "taken away"),
}
FULL = {
    "gpu": {"count": 1},
    "image": "a",
    "resources": {"limits": {"cpu": 1}},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a"}],
    "limits": {"maxCollectionsAndPartitions": 8},
    "defaultDeletionPolicy": "Retain",
    "allowedNamespaces": {"from": "All"},
}
CHANGEABLE = {
    "replicas": ({}, {"replicas": 3}),
    "image": ({"image": "a"}, {"image": "b"}),
    "a first image": ({}, {"image": "b"}),
    "a GPU where none was": ({}, {"gpu": {}}),
    "more GPUs": ({"gpu": {}}, {"gpu": {"count": 2, "minMemory": "1Gi"}}),
    "resources": ({}, {"resources": {"limits": {"cpu": 1}}}),
    "nodeSelector": ({}, {"nodeSelector": {"a": "b"}}),
    "tolerations": ({}, {"tolerations": [{"key": "a"}]}),
    "limits": ({}, {"limits": {"maxCollectionsAndPartitions": 1}}),
    "defaultDeletionPolicy": ({}, {"defaultDeletionPolicy": "DeleteIfEmpty"}),
    "allowedNamespaces": ({}, {"allowedNamespaces": {"from": "All"}}),
    "all that is optional taken out": (FULL, dict.fromkeys(FULL)),
    "more endpoints": (
        EXTERNAL,
        {"external": {"endpoints": ["a.example.org:1", "b.example.org:1"]}},
    ),
}
WRONG_NAMES = {
    "a digit first": ("1a", "starts with a letter"),
    "a dot": ("a.b", "lowercase letters"),
    "53 characters": ("a" * 53, "at most 52 characters"),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """An engine that Quiver can run, or reach, is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """An engine that cannot be is refused, at the wrong field and only there."""
    found = engines.try_create(spec)
    assert {refusal.field for refusal in found} == {field}
    assert words in " ".join(refusal.message for refusal in found)


@pytest.mark.parametrize(("before", "change", "field", "words"), FIXED.values(), ids=FIXED)
def test_fixed(engines: Any, before: Any, change: Any, field: str, words: str) -> None:
    """What an engine cannot change is refused with the reason and what to do instead."""
    [refusal] = engines.try_change(before, change)
    assert refusal.field == field
    assert words in refusal.message
    assert "create a VectorEngine of another name" in refusal.message


@pytest.mark.parametrize(("before", "change"), CHANGEABLE.values(), ids=CHANGEABLE)
def test_changeable(engines: Any, before: Any, change: Any) -> None:
    """All else may be changed at any time."""
    assert engines.try_change(before, change) == []


@pytest.mark.parametrize("name", ["a", "a-1", "a" * 52])
def test_names_accepted(engines: Any, name: str) -> None:
    """An engine is called as a Service may be, in at most 52 characters."""
    assert engines.try_create({}, name) == []


@pytest.mark.parametrize(("name", "words"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_names_refused(engines: Any, name: str, words: str) -> None:
    """An engine whose StatefulSet or Service could not be called after it is refused."""
    [refusal] = engines.try_create({}, name)
    assert refusal.field == "metadata.name"
    assert words in refusal.message


def test_defaults(engines: Any) -> None:
    """What is absent is stored as its default; an empty gpu is one nvidia.com/gpu."""
    said = {"gpu": {}, "allowedNamespaces": {}}
    assert engines.create(said, dry_run="All")["spec"] == {
        "type": "Quiver",
        "replicas": 1,
        "gpu": {"count": 1, "resourceName": "nvidia.com/gpu"},
        "allowedNamespaces": {"from": "Same"},
    }


def test_without_gpu_there_is_none(engines: Any) -> None:
    """An engine that says nothing of GPUs gets none."""
    assert "gpu" not in engines.create({}, dry_run="All")["spec"]
