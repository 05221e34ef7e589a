"""What a VectorEngine may say of its pods' metadata, placement and identity."""

from __future__ import annotations

from typing import Any

import pytest

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
OUTSIDE = {"external": {"endpoints": ["h.example.org:1"]}}
ZONES = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
SELECTOR = {
    "matchLabels": {"app.kubernetes.io/instance": "x"},
    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
}
APART = {
    "topologyKey": "kubernetes.io/hostname",
    "labelSelector": SELECTOR,
    "namespaces": ["team-a"],
    "namespaceSelector": {},
    "matchLabelKeys": ["controller-revision-hash"],
}
ZONE_A = {"key": "zone", "operator": "In", "values": ["a"]}
BIG = {"key": "memory", "operator": "Gt", "values": ["4"]}
ON_NODE = {"key": "metadata.name", "operator": "In", "values": ["node-1.example.org"]}
TERM = {"matchExpressions": [ZONE_A, BIG], "matchFields": [ON_NODE]}
AFFINITY = {
    "nodeAffinity": {
        REQUIRED: {"nodeSelectorTerms": [TERM]},
        PREFERRED: [{"weight": 100, "preference": TERM}],
    },
    "podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": APART}]},
    "podAntiAffinity": {REQUIRED: [APART]},
}
POD_SETTINGS: dict[str, Any] = {
    "affinity": AFFINITY,
    "topologySpreadConstraints": [ZONES, {**ZONES, "labelSelector": SELECTOR, "minDomains": 2}],
    "imagePullSecrets": [{"name": "registry"}, {"name": "another.example.org"}],
    "podLabels": {"team": "a", "example.org/cost-centre": "7"},
    "podAnnotations": {"sidecar.istio.io/inject": "false", "text": "any {{ text }}\nat all"},
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "serviceAccountName": "vectors",
    "terminationGracePeriodSeconds": 3600,
}


def term(**fields: Any) -> Any:
    """Affinity to one kind of nodes."""
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [fields]}}}}


def apart(**fields: Any) -> Any:
    """Affinity against one kind of pods."""
    return {"affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": "zone", **fields}]}}}


TERMS = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
APARTS = f"spec.affinity.podAntiAffinity.{REQUIRED}"
LONG = {"matchLabels": {f"{number}": "b" * 63 for number in range(8)}}
LONG_EXPRESSIONS = [
    {"key": "a", "operator": "In", "values": ["b" * 63] * 16},
    {"key": "a" * 63, "operator": "Exists"},
]
REFUSED: dict[str, tuple[Any, str, str]] = {
    "a label of the StatefulSet's": (
        {"podLabels": {"statefulset.kubernetes.io/pod-name": "a"}},
        "spec.podLabels",
        "choose another key",
    ),
    "a label of Quiver's": (
        {"podLabels": {"app.kubernetes.io/instance": "a"}},
        "spec.podLabels",
        "the pods are found by them",
    ),
    "a wrong label": ({"podLabels": {"a": "b c"}}, "spec.podLabels.a", "should match"),
    "a long key of a label": ({"podLabels": {"a" * 318: ""}}, "spec.podLabels", "317 characters"),
    "33 labels": (
        {"podLabels": {f"k{n}": "" for n in range(33)}},
        "spec.podLabels",
        "at most 32 items",
    ),
    "an annotation of Quiver's": (
        {"podAnnotations": {"quiver.dev/claim": "a"}},
        "spec.podAnnotations",
        "Quiver's",
    ),
    "long annotations": (
        {"podAnnotations": {"a": "b" * 4096, "c": "d" * 4096}},
        "spec.podAnnotations",
        "8192 characters together",
    ),
    "a Secret without name": (
        {"imagePullSecrets": [{}]},
        "spec.imagePullSecrets[0].name",
        "Required value",
    ),
    "a Secret twice": (
        {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]},
        "spec.imagePullSecrets[1]",
        "Duplicate",
    ),
    "9 Secrets": (
        {"imagePullSecrets": [{"name": f"s{n}"} for n in range(9)]},
        "spec.imagePullSecrets",
        "at most 8",
    ),
    "a class in capitals": (
        {"priorityClassName": "High"},
        "spec.priorityClassName",
        "should match",
    ),
    "a runtime in words": (
        {"runtimeClassName": "kata containers"},
        "spec.runtimeClassName",
        "should match",
    ),
    "no ServiceAccount": ({"serviceAccountName": ""}, "spec.serviceAccountName", "at least 1"),
    "no time to end": (
        {"terminationGracePeriodSeconds": 0},
        "spec.terminationGracePeriodSeconds",
        "greater than or equal to 1",
    ),
    "a day to end": (
        {"terminationGracePeriodSeconds": 86400},
        "spec.terminationGracePeriodSeconds",
        "less than or equal to 3600",
    ),
    "an empty kind of nodes": (term(), f"{TERMS}[0]", "picks no node"),
    "a long kind of nodes": (
        term(matchExpressions=LONG_EXPRESSIONS),
        f"{TERMS}[0]",
        "at most 1024 characters",
    ),
    "two values that are above": (
        term(matchExpressions=[{**BIG, "values": ["1", "2"]}]),
        f"{TERMS}[0].matchExpressions[0].values",
        "one value with Gt",
    ),
    "a field of nodes other than the name": (
        term(matchFields=[{**ON_NODE, "key": "spec.unschedulable"}]),
        f"{TERMS}[0].matchFields[0].key",
        '"metadata.name"',
    ),
    "no kinds of nodes": (
        {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
        TERMS,
        "at least 1",
    ),
    "a long selector": (
        apart(labelSelector={**LONG, "matchExpressions": LONG_EXPRESSIONS}),
        f"{APARTS}[0].labelSelector",
        "at most 1024 characters",
    ),
    "a constraint that says nothing of pods that fit nowhere": (
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]},
        "spec.topologySpreadConstraints[0].whenUnsatisfiable",
        "Required value",
    ),
}


def test_accepted(engines: Any) -> None:
    """All that a pod of Kubernetes may say there, up to the bounds."""
    assert engines.try_create(POD_SETTINGS) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """What is Quiver's, unbounded or without effect is refused, at its field and only there."""
    engines.check_refused(spec, field, words)


@pytest.mark.parametrize("field", POD_SETTINGS)
def test_an_engine_of_others_has_no_pods(engines: Any, field: str) -> None:
    """So it has none of these fields; the message names them."""
    change = {**OUTSIDE, field: POD_SETTINGS[field]}
    engines.check_refused(change, "spec.external", field)


def test_pod_settings_may_change(engines: Any) -> None:
    """Each is taken out again."""
    assert engines.try_change(POD_SETTINGS, dict.fromkeys(POD_SETTINGS)) == []
