"""What the API server warns of where vectors are lost with the pods of an engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from quiver.domain.ephemeral_data import POD_FIELDS
from support.waiting import wait_until

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
POLICY = "data-is-ephemeral"
STORED = {"storage": {"size": "1Gi"}}
OUTSIDE = {"external": {"endpoints": ["h.example.org:1"]}}
MADE = {"image": "engine:1", "gpu": {"count": 1}, "tls": {"secretName": "a", "caSecretName": "b"}}
MILVUS = {"type": "Milvus", "image": "milvus:1", "milvus": {"segmentMaxSize": 512}}
CHANGES: dict[str, list[Any]] = {
    "image": ["engine:2", None],
    "gpu": [{"count": 2}, {"minMemory": "16Gi"}, None],
    "resources": [{"requests": {"memory": "1Gi"}}],
    "nodeSelector": [{"zone": "a"}],
    "tolerations": [[{"operator": "Exists"}]],
    "affinity": [{"podAntiAffinity": {}}],
    "topologySpreadConstraints": [
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
    ],
    "imagePullSecrets": [[{"name": "registry"}]],
    "podLabels": [{"team": "a"}],
    "podAnnotations": [{"a": "b"}],
    "priorityClassName": ["high"],
    "runtimeClassName": ["nvidia"],
    "serviceAccountName": ["vectors"],
    "terminationGracePeriodSeconds": [60],
    "tls": [{"secretName": "c"}, {"clientCASecretName": "c", "clientSecretName": "d"}, None],
    "limits": [{"maxCollectionsAndPartitions": 4097}],
    "milvus": [{"segmentMaxSize": 256}, None],
}
"""Changes of an engine that was made with `MADE`, by the field that they are of. That of milvus is
of one that was made with `MILVUS`.
"""
HARMLESS = [
    {},
    {"image": "engine:1"},
    {"replicas": 3},
    {"networkPolicy": {}},
    {"limits": {"maxPerNamespace": 1}},
    {"limits": {"maxCollectionsAndPartitions": 100}},
    {"allowedNamespaces": {"from": "All"}},
    {"tls": {"caSecretName": "c"}},
]


@pytest.fixture(scope="module")
def engines(control_plane: ControlPlane, client: Any, resource_in: Any) -> Iterator[Any]:
    """VectorEngines to try, where the policy is in force: `bare` and `stored` are there, and
    `bare-milvus` and `stored-milvus`.
    """
    found = [m for m in yaml.safe_load_all(INSTALL.read_text()) if "Admission" in m["kind"]]
    policy = [m for m in found if m["metadata"]["name"].endswith(POLICY)]
    text = yaml.safe_dump_all(policy)
    namespace = f"ephemeral-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(namespace)
    engines = resource_in(namespace, "vectorengines")
    engines.create(MADE, "bare")
    engines.create({**MADE, **STORED}, "stored")
    engines.create(MILVUS, "bare-milvus")
    engines.create({**MILVUS, **STORED}, "stored-milvus")
    control_plane.kubectl("apply", "--filename=-", input=text)
    wait_until(lambda: engines.admission({}).warnings, "the policy warns")
    yield engines
    control_plane.kubectl("delete", "--filename=-", input=text)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


def test_an_engine_without_storage_is_warned_of(engines: Any) -> None:
    """When it is created: the warning says what loses vectors, and that this cannot be changed."""
    answer = engines.admission({})
    assert answer.refusal is None
    (warning,) = answer.warnings
    assert warning.endswith("; .spec.storage cannot be added later")
    assert [field for field in POD_FIELDS if field not in warning] == []


@pytest.mark.parametrize("spec", [STORED, OUTSIDE], ids=["storage", "external"])
def test_an_engine_that_keeps_its_data_or_is_of_others_is_not_warned_of(
    engines: Any, spec: Any
) -> None:
    """There Quiver makes no pod that loses anything."""
    assert engines.admission(spec).warnings == []


@pytest.mark.parametrize("field", POD_FIELDS)
def test_a_change_that_replaces_the_pods_is_warned_of(engines: Any, field: str) -> None:
    """The warning names the field, whether it is added, changed or taken out. With storage there is
    none.
    """
    kind = "-milvus" if field == "milvus" else ""
    for value in CHANGES[field]:
        (warning,) = engines.warnings_of_change(f"bare{kind}", {field: value})
        assert f"a change of .spec.{field} replaces the pods" in warning
        assert "the vectors of all collections on them are lost" in warning
        assert engines.warnings_of_change(f"stored{kind}", {field: value}) == []


def test_all_fields_that_replace_the_pods_are_named_in_one_warning(engines: Any) -> None:
    """One change of several fields warns once."""
    (warning,) = engines.warnings_of_change("bare", {"image": "engine:2", "gpu": None})
    assert "a change of .spec.image, .spec.gpu replaces the pods" in warning


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: next(iter(change), "nothing"))
def test_a_change_that_leaves_the_pods_is_not_warned_of(engines: Any, change: Any) -> None:
    """What is applied again without a change is not either."""
    assert engines.warnings_of_change("bare", change) == []


def test_that_quiver_makes_databases_leaves_the_pod_of_milvus(engines: Any) -> None:
    """Of what only Milvus has, the size of segments alone is told to the pod."""
    assert engines.warnings_of_change("bare-milvus", {"milvus": {"createDatabases": True}}) == []
