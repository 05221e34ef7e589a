"""Values of the operator's Deployment, of all objects, and of further ones."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

DIGEST = "sha256:" + "0" * 64
FIELDS: dict[str, tuple[Any, Any]] = {
    "strategy": ({"type": "Recreate"}, {"type": "Recreate"}),
    "revisionHistoryLimit": (0, 0),
}
POD_FIELDS: dict[str, Any] = {
    "terminationGracePeriodSeconds": 60,
    "automountServiceAccountToken": False,
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.2"], "options": [{"name": "ndots", "value": "1"}]},
}
VOLUMES = [{"name": "ca", "configMap": {"name": "ca"}}]
MOUNTS = [{"name": "ca", "mountPath": "/etc/ssl/certs", "readOnly": True}]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"digest": DIGEST}, f"localhost/quiver-operator@{DIGEST}"),
        ({"digest": DIGEST, "tag": "1.2.3"}, f"localhost/quiver-operator:1.2.3@{DIGEST}"),
    ],
)
def test_an_image_by_digest(chart: Any, image: Any, expected: str) -> None:
    """The digest decides; a tag that is given stays beside it."""
    assert chart.container({"image": image})["image"] == expected


@pytest.mark.parametrize(("knob", "case"), FIELDS.items(), ids=FIELDS)
def test_fields_of_the_deployment(chart: Any, knob: str, case: tuple[Any, Any]) -> None:
    """They are as they were given."""
    value, expected = case
    assert chart.one("Deployment", {knob: value})["spec"][knob] == expected


@pytest.mark.parametrize(("knob", "value"), POD_FIELDS.items(), ids=POD_FIELDS)
def test_fields_of_the_pod(chart: Any, knob: str, value: Any) -> None:
    """They are as they were given."""
    assert chart.pod(POD_FIELDS)["spec"][knob] == value


def test_volumes(chart: Any) -> None:
    """The operator has none, and gets those that are given where they are wanted."""
    values = {"extraVolumes": VOLUMES, "extraVolumeMounts": MOUNTS}
    assert chart.pod(values)["spec"]["volumes"] == VOLUMES
    assert chart.container(values)["volumeMounts"] == MOUNTS
    assert "volumes" not in chart.pod()["spec"]


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_probes(chart: Any, probe: str) -> None:
    """Their times are merged into the defaults; what they ask is the chart's."""
    before = chart.container()[probe]
    after = chart.container({probe: {"periodSeconds": 30, "initialDelaySeconds": 5}})[probe]
    assert after == {**before, "periodSeconds": 30, "initialDelaySeconds": 5}


def test_common_labels_and_annotations(chart: Any) -> None:
    """Each object of the release has them, and so has the operator's pod. A label of the chart, and
    an annotation of the object's own, stand.
    """
    values = {
        "commonLabels": {"team": "a", "app.kubernetes.io/name": "b"},
        "commonAnnotations": {"owner": "c", "about": "all"},
        "deploymentAnnotations": {"about": "the Deployment"},
        "podAnnotations": {"about": "the pod"},
        "replicaCount": 2,
        "networkPolicy": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "watchNamespaces": ["team-a"],
    }
    by_list, everywhere = chart.render(values), chart.render({**values, "watchNamespaces": []})
    metadata = [found["metadata"] for found in (*by_list, *everywhere)]
    assert [m["name"] for m in metadata if m["labels"].get("team") != "a"] == []
    assert [m["name"] for m in metadata if m["annotations"].get("owner") != "c"] == []
    pod = chart.pod(values)["metadata"]
    assert (pod["labels"]["team"], pod["annotations"]["owner"]) == ("a", "c")
    assert pod["labels"]["app.kubernetes.io/name"] == "quiver"
    assert pod["annotations"]["about"] == "the pod"
    assert chart.one("Deployment", values)["metadata"]["annotations"]["about"] == "the Deployment"
    kept = chart.one("Secret", values)["metadata"]["annotations"]
    assert kept["helm.sh/resource-policy"] == "keep"


def test_extra_objects(chart: Any) -> None:
    """As YAML or as text, in which templates may be used."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}"
    name = "{{ .Release.Name }}-map"
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    objects = chart.render({"extraObjects": [text, whole]})
    names = [found["metadata"]["name"] for found in objects if found["kind"] == "ConfigMap"]
    assert names == ["quiver-text", "quiver-map"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"maxUnavailable": "50%"}, {"maxUnavailable": "50%"}),
        ({"minAvailable": 1}, {"minAvailable": 1}),
    ],
)
def test_the_budget(chart: Any, values: Any, expected: Any) -> None:
    """It lets as many be taken as was said, or leaves as many."""
    found = chart.one("PodDisruptionBudget", {"replicaCount": 3, "podDisruptionBudget": values})
    del found["spec"]["selector"]
    assert found["spec"] == expected


def test_without_a_budget(chart: Any) -> None:
    """It may be left out."""
    values = {"replicaCount": 3, "podDisruptionBudget": {"enabled": False}}
    assert "PodDisruptionBudget" not in {found["kind"] for found in chart.render(values)}


def test_the_pod_of_helm_test(chart: Any) -> None:
    """It is a hook that goes again, is not taken for the operator, and may run where that may."""
    values = {"tolerations": [{"operator": "Exists"}], "imagePullSecrets": [{"name": "a"}]}
    [pod] = [found for found in chart.hooks(values) if found["kind"] == "Pod"]
    selected = chart.one("Service")["spec"]["selector"]
    annotations = pod["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert "hook-succeeded" in annotations["helm.sh/hook-delete-policy"]
    assert not selected.items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["tolerations"] == values["tolerations"]
    assert pod["spec"]["imagePullSecrets"] == values["imagePullSecrets"]
    [container] = pod["spec"]["containers"]
    assert container["image"] == chart.container()["image"]
    assert container["args"] == ["ready", "http://quiver-metrics.team.svc:8080/readyz"]


def test_the_hook_that_lets_objects_go(chart: Any) -> None:
    """Before the release goes, a Job runs as the operator, whose pods it is not taken for. It may
    scale the release's Deployment besides, and nothing else.
    """
    values = {"watchNamespaces": ["team-a"], "commonLabels": {"team": "a"}}
    hooks = {found["kind"]: found for found in chart.hooks(values) if found["kind"] != "Pod"}
    assert {*hooks} == {"Role", "RoleBinding", "Job"}
    for found in hooks.values():
        annotations = found["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-delete"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    template = hooks["Job"]["spec"]["template"]
    selected = chart.one("Service")["spec"]["selector"]
    assert not selected.items() <= template["metadata"]["labels"].items()
    account = chart.pod()["spec"]["serviceAccountName"]
    assert template["spec"]["serviceAccountName"] == account
    assert [s["name"] for s in hooks["RoleBinding"]["subjects"]] == [account]
    name = chart.one("Deployment")["metadata"]["name"]
    assert hooks["Role"]["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments/scale"],
            "resourceNames": [name],
            "verbs": ["patch"],
        }
    ]
    subcommand, *arguments = template["spec"]["containers"][0]["args"]
    command = importlib.import_module("quiver.uninstall").uninstall
    assert command.name == subcommand
    settings = command.make_context(subcommand, arguments).params
    assert (settings["release"], settings["deployment"]) == ("team", name)
    assert settings["namespaces"] == ("team-a",)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"uninstallHook": {"enabled": False}}, {"Pod"}),
        ({"rbac": {"create": False}}, {"Pod", "Job"}),
    ],
)
def test_without_the_hook(chart: Any, values: Any, kinds: set[str]) -> None:
    """It may be left out, and brings no rights where these are somebody else's business."""
    assert {found["kind"] for found in chart.hooks(values)} == kinds
