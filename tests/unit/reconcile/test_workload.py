"""What pods and volumes an engine gets for its spec."""

import msgspec
import pytest

from quiver.domain.engines import EngineSpec, VectorEngine
from quiver.domain.ephemeral_data import POD_FIELDS
from quiver.domain.kubernetes_types import (
    Manifest,
)
from quiver.domain.possession import HASH_ANNOTATION
from quiver.reconcile.engines.workload import (
    stateful_set_for,
    volume_claim_of,
)
from support.builders import engine

IMAGE = "registry.example/quiver-engine:1"
MILVUS: Manifest = {"type": "Milvus", "image": "milvusdb/milvus:v2.6.4"}


def test_volumes_stay_when_an_engine_goes_and_are_those_of_the_next_one() -> None:
    """A claim is named after its pod, and no policy of the StatefulSet deletes it."""
    parsed = msgspec.convert(engine(spec={"storage": {"size": "1Gi"}}), VectorEngine)
    spec = stateful_set_for(parsed, image=IMAGE, replicas=1)["spec"]
    assert "persistentVolumeClaimRetentionPolicy" not in spec
    (claim,) = spec["volumeClaimTemplates"]
    assert volume_claim_of("engine-0") == f"{claim['metadata']['name']}-engine-0"


def template(spec: Manifest) -> Manifest:
    parsed = msgspec.convert(engine(spec=spec), VectorEngine)
    image = parsed.spec.image or IMAGE
    found: Manifest = stateful_set_for(parsed, image=image, replicas=1)["spec"]["template"]
    return found


def pod_spec(spec: Manifest) -> Manifest:
    found: Manifest = template(spec)["spec"]
    return found


def test_an_engine_that_is_created_again_takes_up_its_volumes() -> None:
    """Of whatever size they are: Kubernetes names a claim by template, engine and number, keeps it
    when the engine goes, and makes none where one of that name is.
    """
    sizes = ("10Gi", "200Gi")
    engines = (msgspec.convert(engine(spec={"storage": {"size": s}}), VectorEngine) for s in sizes)
    for size, found in zip(sizes, engines, strict=True):
        stateful_set = stateful_set_for(found, image=IMAGE, replicas=1)
        (claim,) = stateful_set["spec"]["volumeClaimTemplates"]
        assert (stateful_set["metadata"]["name"], claim["metadata"]) == ("engine", {"name": "data"})
        assert claim["spec"]["resources"]["requests"]["storage"] == size
        assert "persistentVolumeClaimRetentionPolicy" not in stateful_set["spec"]


ANOTHER: Manifest = {
    "image": "another:2",
    "replicas": 2,
    "gpu": {},
    "resources": {"requests": {"memory": "1Gi"}},
    "nodeSelector": {"zone": "a"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
    "imagePullSecrets": [{"name": "registry"}],
    "podLabels": {"team": "a"},
    "podAnnotations": {"a": "b"},
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "serviceAccountName": "vectors",
    "terminationGracePeriodSeconds": 60,
    "tls": {"secretName": "t"},
    "auth": {"secretName": "t"},
    "milvus": {"createDatabases": True, "segmentMaxSize": 512},
    "networkPolicy": {},
    "upgradePolicy": "Automatic",
    "limits": {"maxCollectionsAndPartitions": 4097},
    "defaultDeletionPolicy": "Retain",
    "deletionProtection": True,
    "allowedNamespaces": {"from": "All"},
}
"""Another value of each field that may change."""


def test_which_fields_replace_the_pods() -> None:
    """Those that the condition DataEphemeral names, and no others."""
    fields = {field.encode_name for field in msgspec.structs.fields(EngineSpec)}
    assert fields - {"type", "storage", "external"} == set(ANOTHER)
    before = template({})
    changed = {f for f, value in ANOTHER.items() if template({f: value}) != before}
    assert changed == set(POD_FIELDS) - {"milvus"}
    of_milvus = {f for f, v in ANOTHER.items() if template({**MILVUS, f: v}) != template(MILVUS)}
    assert of_milvus == set(POD_FIELDS) - {"limits"}


def test_a_gpu_engine_asks_for_its_gpus() -> None:
    """Request equals limit, the usual taint is tolerated, the GPU has the memory asked for."""
    spec = pod_spec({"gpu": {"count": 2, "minMemory": "40Gi"}, "resources": {"limits": {"cpu": 4}}})
    resources = spec["containers"][0]["resources"]
    assert resources["limits"] == {"cpu": 4, "nvidia.com/gpu": "2"}
    assert resources["requests"] == {"nvidia.com/gpu": "2"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = terms["nodeSelectorTerms"][0]["matchExpressions"]
    assert expression == {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["40959"]}


def test_a_cpu_engine_asks_for_no_gpu() -> None:
    """Without spec.gpu the pod has neither GPU, toleration nor affinity."""
    spec = pod_spec({})
    assert spec["containers"][0]["resources"] == {}
    assert spec["tolerations"] == []
    assert "affinity" not in spec


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        ({"memory": "8Gi"}, ["--memory=6144Mi"]),
        ({"memory": "3Gi"}, ["--memory=1536Mi"]),
        ({"memory": 1_000_000_000}, ["--memory=476Mi"]),
        ({"memory": "0", "cpu": "2"}, []),
        ({}, []),
    ],
)
def test_searches_are_told_how_much_of_the_pods_memory_is_theirs(
    limits: Manifest, option: list[str]
) -> None:
    """All but 2 GiB of the limit, or half of it; without a limit there is no bound."""
    (container,) = pod_spec({"resources": {"limits": limits}})["containers"]
    assert [text for text in container["args"] if text.startswith("--memory")] == option
    milvus = {"type": "Milvus1", "image": "m", "resources": {"limits": limits}}
    assert "args" not in pod_spec(milvus)["containers"][0]


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        ({"maxCollectionsAndPartitions": 8192}, ["--max-collections-and-partitions=8192"]),
        ({"maxCollectionsAndPartitions": 4097}, ["--max-collections-and-partitions=4097"]),
        ({"maxCollectionsAndPartitions": 4096}, []),
        ({"maxCollectionsAndPartitions": 1000, "maxPerNamespace": 1}, []),
        ({}, []),
    ],
)
def test_a_pod_is_told_to_take_more_than_it_takes_anyway(
    limits: Manifest, option: list[str]
) -> None:
    """A lower limit is Quiver's to keep: it may change, and no pod is replaced for it."""
    (container,) = pod_spec({"limits": limits})["containers"]
    assert [text for text in container["args"] if "collections" in text] == option
    milvus = {"type": "Milvus1", "image": "m", "limits": limits}
    assert "args" not in pod_spec(milvus)["containers"][0]


def test_an_engine_pod_is_confined() -> None:
    """Non-root, read-only, no privileges, no API token."""
    spec = pod_spec({})
    container = spec["containers"][0]["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["readOnlyRootFilesystem"] is True
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "type_", [{}, {"type": "Milvus1", "image": "m"}, MILVUS], ids=["Quiver", "Milvus1", "Milvus"]
)
def test_a_pod_with_storage_has_no_empty_dir(type_: Manifest) -> None:
    """For any emptyDir, whatever its medium, `kubectl drain` refuses to evict a pod."""
    spec = pod_spec({"storage": {"size": "1Gi"}, "tls": {"secretName": "t"}, **type_})
    assert "emptyDir" not in str(spec)
    (container,) = spec["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} - {"settings"} == {"data", "tls"}


UNCHANGED: list[tuple[Manifest, str]] = [
    ({}, "b7c9437bba8ee08f"),
    ({"gpu": {"count": 2, "minMemory": "40Gi"}, "nodeSelector": {"zone": "a"}}, "f4054dd43f9fe13e"),
    (
        {"resources": {"limits": {"memory": "8Gi", "cpu": 4}}, "tls": {"secretName": "t"}},
        "cad3313cb8258a10",
    ),
    (
        {"type": "Milvus1", "image": "m", "tolerations": [{"operator": "Exists"}]},
        "45dca64f2e8d3887",
    ),
    ({**MILVUS, "gpu": {}}, "94ac49db66ea84c1"),
]
"""Specs without storage, and the hash of the StatefulSet's spec that this version makes of them."""


@pytest.mark.parametrize(("spec", "known"), UNCHANGED)
def test_pods_without_storage_are_as_earlier_versions_made_them(spec: Manifest, known: str) -> None:
    """Where this fails, an upgrade of the operator replaces these pods, and their vectors are lost:
    make the change for pods with storage alone.
    """
    parsed = msgspec.convert(engine(spec=spec), VectorEngine)
    made = stateful_set_for(parsed, image=parsed.spec.image or IMAGE, replicas=1)
    assert made["metadata"]["annotations"][HASH_ANNOTATION] == known


def test_an_engine_pod_gets_its_certificate_and_the_options_for_it() -> None:
    """One read-only volume of certificate, key and client CA, and nothing else of the Secrets."""
    tls = {"secretName": "t", "clientCASecretName": "c", "clientSecretName": "q"}
    spec = pod_spec({"tls": tls})
    (container,) = spec["containers"]
    assert container["args"][-3:] == [
        "--tls-cert=/tls/tls.crt",
        "--tls-key=/tls/tls.key",
        "--tls-client-ca=/tls/client-ca.crt",
    ]
    assert {"name": "tls", "mountPath": "/tls", "readOnly": True} in container["volumeMounts"]
    (projected,) = [v["projected"] for v in spec["volumes"] if v["name"] == "tls"]
    items = {
        (source["secret"]["name"], item["key"]): item["path"]
        for source in projected["sources"]
        for item in source["secret"]["items"]
    }
    assert items == {
        ("t", "tls.crt"): "tls.crt",
        ("t", "tls.key"): "tls.key",
        ("c", "ca.crt"): "client-ca.crt",
    }
    assert projected["defaultMode"] == 0o440
    assert "--tls-client-ca" not in str(pod_spec({"tls": {"secretName": "t"}}))
    assert "tls" not in str(pod_spec({}))
