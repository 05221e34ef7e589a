"""What a VectorEngine says of its pods, and what their template says then."""

import hashlib

import msgspec
import pytest

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.reconcile.engines.workload import LARGEST_TEMPLATE, stateful_set_for, template_size
from support.builders import engine

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE_A = {"key": "zone", "operator": "In", "values": ["a"]}
ZONE_B = {"key": "zone", "operator": "In", "values": ["b"]}
MEMORY = {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["16383"]}
OWN = {
    "app.kubernetes.io/name": "quiver-engine",
    "app.kubernetes.io/instance": "engine",
    "app.kubernetes.io/managed-by": "quiver",
}
STORED: Manifest = {"storage": {"size": "1Gi"}}
ALL_STORED: Manifest = {
    "gpu": {"minMemory": "16Gi"},
    "resources": {"limits": {"memory": "8Gi"}},
    "tls": {"secretName": "t"},
    **STORED,
}
COPIED: Manifest = {
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "serviceAccountName": "vectors",
    "terminationGracePeriodSeconds": 60,
    "affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": "zone"}]}},
}


def parsed(spec: Manifest) -> VectorEngine:
    return msgspec.convert(engine(spec=spec), VectorEngine)


def template(spec: Manifest) -> Manifest:
    image = "registry.example/quiver-engine:1"
    found: Manifest = stateful_set_for(parsed(spec), image=image, replicas=1)["spec"]["template"]
    return found


def digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest, order="deterministic")).hexdigest()[:16]


@pytest.mark.parametrize(
    ("spec", "known"),
    [(STORED, "7c6f725645b95b6f"), (ALL_STORED, "599e4e6f0407edd9")],
)
def test_an_engine_without_these_fields_has_the_pods_that_it_had(
    spec: Manifest, known: str
) -> None:
    """An upgrade to a version that knows them replaces no pod for their sake."""
    assert digest(template(spec)) == known


def test_what_places_and_names_a_pod_is_copied_into_it() -> None:
    """As it is given, whatever the type of the engine."""
    for type_ in ({}, {"type": "Milvus1", "image": "m"}, {"type": "Milvus", "image": "m"}):
        spec = template({**COPIED, **type_})["spec"]
        assert {field: spec[field] for field in COPIED} == COPIED
        assert spec["automountServiceAccountToken"] is False


def test_labels_of_quiver_stand_beside_those_of_the_spec() -> None:
    """A looser CRD may let its keys through: the pods are found by them all the same."""
    labels = {"team": "a", "app.kubernetes.io/instance": "another"}
    metadata = template({"podLabels": labels, "podAnnotations": {"mesh": "off"}})["metadata"]
    assert metadata == {"labels": {"team": "a", **OWN}, "annotations": {"mesh": "off"}}


def test_a_constraint_without_selector_spreads_the_engines_own_pods() -> None:
    """One with a selector stays as it is."""
    zones, hosts = {"topologyKey": "zone"}, {"topologyKey": "host", "labelSelector": {}}
    spec = template({"topologySpreadConstraints": [zones, hosts]})["spec"]
    own = {**zones, "labelSelector": {"matchLabels": OWN}}
    assert spec["topologySpreadConstraints"] == [own, hosts]


@pytest.mark.parametrize(
    ("affinity", "terms"),
    [
        ({}, [[MEMORY]]),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}, [[MEMORY]]),
        (
            {
                "nodeAffinity": {
                    REQUIRED: {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [ZONE_A]},
                            {"matchExpressions": [ZONE_B]},
                        ]
                    }
                }
            },
            [[ZONE_A, MEMORY], [ZONE_B, MEMORY]],
        ),
    ],
    ids=["none", "no terms", "two terms"],
)
def test_a_node_has_the_gpu_memory_whichever_term_it_fulfils(
    affinity: Manifest, terms: list[list[Manifest]]
) -> None:
    """Terms are alternatives: so the memory is asked for in each. What else there is stays."""
    others = {"podAffinity": {REQUIRED: [{"topologyKey": "zone"}]}}
    spec = {"gpu": {"minMemory": "16Gi"}, "affinity": {**affinity, **others}}
    found = template(spec)["spec"]["affinity"]
    assert found["podAffinity"] == others["podAffinity"]
    required = found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert [term["matchExpressions"] for term in required] == terms


def test_the_name_of_a_service_account_is_written_twice() -> None:
    """Into the older field too, from which the API server would take it back when it is removed."""
    spec = template({"serviceAccountName": "vectors"})["spec"]
    assert spec["serviceAccount"] == spec["serviceAccountName"] == "vectors"
    assert not {"serviceAccount", "serviceAccountName"} & template({})["spec"].keys()


def test_pods_that_are_too_large_are_told_from_others() -> None:
    """What tenants write into them is bounded, all fields together."""
    usual = {**COPIED, "podAnnotations": {"a": "b" * 8000}}
    assert template_size(parsed(usual)) < LARGEST_TEMPLATE
    large = {"podAnnotations": {str(number): "b" * 8192 for number in range(12)}}
    assert template_size(parsed(large)) > LARGEST_TEMPLATE
