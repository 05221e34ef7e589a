"""Every knob of the chart, and what it turns."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from quiver import __version__

TOLERATION = {"key": "a", "operator": "Exists"}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
AFFINITY = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
ENV = {"name": "A", "value": "b"}
LIMITS = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
POD_KNOBS = {
    "imagePullSecrets": ([{"name": "a"}], "imagePullSecrets"),
    "nodeSelector": ({"a": "b"}, "nodeSelector"),
    "tolerations": ([TOLERATION], "tolerations"),
    "affinity": (AFFINITY, "affinity"),
    "topologySpreadConstraints": ([SPREAD], "topologySpreadConstraints"),
    "priorityClassName": ("system-cluster-critical", "priorityClassName"),
}
ARGUMENTS = {
    "engineImage": ("registry.example.org/e:2", "--engine-image=registry.example.org/e:2"),
    "resyncPeriod": (3600, "--resync-period=3600"),
    "workers": (2, "--workers=2"),
    "takeOver": ("old-system", "--take-over=old-system"),
    "logFormat": ("text", "--log-format=text"),
    "extraArgs": (["--verbose"], "--verbose"),
}
TOGETHER = {knob: value for knob, (value, _) in {**POD_KNOBS, **ARGUMENTS}.items()}
PROBES = ("livenessProbe", "readinessProbe")
MONITOR = ("enabled", "labels", "interval", "scrapeTimeout", "relabelings", "metricRelabelings")
SHOWN_BELOW = {
    *(
        "replicaCount",
        "image.repository",
        "image.tag",
        "image.pullPolicy",
        "nameOverride",
        "fullnameOverride",
    ),
    *(
        "admissionPolicies.enabled",
        "crds.enabled",
        "crds.keep",
        "serviceAccount.create",
        "serviceAccount.name",
    ),
    *("serviceAccount.annotations", "rbac.create", "rbac.aggregate", "podSecurityContext"),
    *("securityContext", "resources", "podAnnotations", "podLabels", "extraEnv"),
    *("engineAddresses.allow", "engineAddresses.deny"),
    # In test_deployment.py.
    *("image.digest", "commonLabels", "commonAnnotations", "deploymentAnnotations", "strategy"),
    *("revisionHistoryLimit", "terminationGracePeriodSeconds", "automountServiceAccountToken"),
    *(*PROBES, "dnsPolicy", "dnsConfig", "extraVolumes"),
    *("extraVolumeMounts", "extraObjects", "uninstallHook.enabled"),
    *(f"podDisruptionBudget.{knob}" for knob in ("enabled", "maxUnavailable", "minAvailable")),
    # In test_readme.py.
    "imageRegistry",
    # In test_monitoring.py.
    *(f"service.{knob}" for knob in ("annotations", "ipFamilyPolicy", "ipFamilies")),
    *(f"networkPolicy.{knob}" for knob in ("enabled", "from", "egress")),
    *(f"{kind}.{knob}" for kind in ("serviceMonitor", "podMonitor") for knob in MONITOR),
    *(f"prometheusRule.{knob}" for knob in ("enabled", "labels", "extraRules")),
    # In test_rights.py.
    *("watchNamespaces", "rbac.secrets.namespaces", "rbac.secrets.clusterWide"),
}
WRONG = {
    "a mistyped name": {"replicas": 2},
    "no operator": {"replicaCount": 0},
    "17 operators": {"replicaCount": 17},
    "a registry with a slash behind it": {"imageRegistry": "registry.example.org/"},
    "a mistyped name in image": {"image": {"repo": "a"}},
    "a mistyped name in crds": {"crds": {"install": True}},
    "a mistyped name in serviceAccount": {"serviceAccount": {"labels": {}}},
    "a mistyped name in rbac": {"rbac": {"enabled": True}},
    "a mistyped name in secrets": {"rbac": {"secrets": {"all": True}}},
    "a namespace as text": {"watchNamespaces": "team-a"},
    "no namespace to take over from": {"takeOver": "Old System"},
    "no name of a namespace": {"watchNamespaces": ["Team A"]},
    "a mistyped name in admissionPolicies": {"admissionPolicies": {"enable": True}},
    "a mistyped name in resources": {"resources": {"limit": {}}},
    "a mistyped name in affinity": {"affinity": {"podAffinities": {}}},
    "a mistyped name in imagePullSecrets": {"imagePullSecrets": [{"secret": "a"}]},
    "a period as text": {"resyncPeriod": "60s"},
    "no period": {"resyncPeriod": 0},
    "no workers": {"workers": 0},
    "more workers than the operator takes": {"workers": 1025},
    "a mistyped name in engineAddresses": {"engineAddresses": {"allowed": []}},
    "a CIDR that is not in a list": {"engineAddresses": {"allow": "10.0.0.0/8"}},
    "an address without bits": {"engineAddresses": {"deny": ["10.0.0.0"]}},
    "another log format": {"logFormat": "xml"},
    "another pull policy": {"image": {"pullPolicy": "Sometimes"}},
    "a switch as text": {"crds": {"enabled": "yes"}},
    "a number as annotation": {"podAnnotations": {"a": 1}},
    "an argument as text": {"extraArgs": "--verbose"},
    "a digest without its kind": {"image": {"digest": "0123"}},
    "a label that is a number": {"commonLabels": {"a": 1}},
    "another strategy": {"strategy": {"type": "BlueGreen"}},
    "a probe of another kind": {"livenessProbe": {"exec": {}}},
    "no history": {"revisionHistoryLimit": -1},
    "no time to end": {"terminationGracePeriodSeconds": 0},
    "other name servers": {"dnsPolicy": "Cluster"},
    "a mistyped name in dnsConfig": {"dnsConfig": {"servers": []}},
    "a volume without name": {"extraVolumes": [{"emptyDir": {}}]},
    "a mount without path": {"extraVolumeMounts": [{"name": "a"}]},
    "a share in words": {"podDisruptionBudget": {"maxUnavailable": "half"}},
    "a mistyped name in podDisruptionBudget": {"podDisruptionBudget": {"create": True}},
    "another family": {"service": {"ipFamilies": ["IPv5"]}},
    "a mistyped name in networkPolicy": {"networkPolicy": {"ingress": []}},
    "an interval without unit": {"serviceMonitor": {"interval": "30"}},
    "a mistyped name in podMonitor": {"podMonitor": {"enable": True}},
    "a mistyped name in prometheusRule": {"prometheusRule": {"rules": []}},
    "a mistyped name in uninstallHook": {"uninstallHook": {"enable": True}},
    "objects that are none": {"extraObjects": [1]},
}


def test_every_knob_is_tried(knobs: set[str]) -> None:
    """No knob is without a test below."""
    assert knobs == {*POD_KNOBS, *ARGUMENTS, *SHOWN_BELOW}


@pytest.mark.parametrize(("knob", "case"), POD_KNOBS.items(), ids=POD_KNOBS)
def test_pod_knobs(chart: Any, knob: str, case: Any) -> None:
    """What places a pod lands in the pod as it was given, and is absent otherwise."""
    value, field = case
    assert chart.pod(TOGETHER)["spec"][field] == value
    assert field not in chart.pod()["spec"], knob


@pytest.mark.parametrize(("knob", "case"), ARGUMENTS.items(), ids=ARGUMENTS)
def test_arguments(chart: Any, knob: str, case: Any) -> None:
    """A setting of the operator becomes an argument, once."""
    _, argument = case
    arguments = chart.container(TOGETHER)["args"]
    assert arguments.count(argument) == 1, knob
    named = [given.partition("=")[0] for given in arguments]
    assert len(named) == len(set(named))


def test_default_arguments(chart: Any) -> None:
    """Without settings the operator is told the defaults."""
    assert chart.container()["args"] == [
        "operator",
        "--http=0.0.0.0:8080",
        f"--engine-image=localhost/quiver-engine:{__version__}",
        "--resync-period=60",
        "--workers=48",
        "--secrets-role=team:quiver-secrets",
        "--pod-labels=app.kubernetes.io/name=quiver,app.kubernetes.io/instance=quiver",
        "--log-format=json",
        "--leader-elect",
    ]


def test_the_operator_knows_the_labels_of_its_pods(chart: Any) -> None:
    """Under another name too, the labels that it is given are those that its pods have."""
    for values in ({}, {"nameOverride": "vectors", "podLabels": {"a": "b"}}):
        pod = chart.pod(values)
        arguments = pod["spec"]["containers"][0]["args"]
        [given] = [a.removeprefix("--pod-labels=") for a in arguments if "--pod-labels=" in a]
        labels = dict(pair.split("=") for pair in given.split(","))
        selector = chart.one("Deployment", values)["spec"]["selector"]["matchLabels"]
        assert labels == selector
        assert labels.items() <= pod["metadata"]["labels"].items()


def test_operator_takes_the_arguments(chart: Any) -> None:
    """The operator understands what the chart tells it."""
    subcommand, *arguments = chart.container()["args"]
    command = importlib.import_module("quiver.command").operator
    assert command.name == subcommand
    settings = command.make_context(subcommand, arguments).params
    assert (settings["http"][1], settings["workers"]) == (8080, 48)
    assert (settings["resync_period"], settings["log_format"]) == (60, "json")
    assert settings["leader_elect"] is True


def test_addresses_of_engines(chart: Any) -> None:
    """Each network in which engines may be, or may not, becomes an argument that is understood."""
    networks = {"allow": ["127.0.0.0/8", "::1/128"], "deny": ["10.96.0.0/12", "fd00::/8"]}
    subcommand, *arguments = chart.container({"engineAddresses": networks})["args"]
    command = importlib.import_module("quiver.command").operator
    settings = command.make_context(subcommand, arguments).params
    found = {knob: [*map(str, settings[f"{knob}_engine_cidr"])] for knob in networks}
    assert found == networks


def test_one_operator(chart: Any) -> None:
    """Without settings there is one operator, and no budget that would keep a node from a drain."""
    assert chart.one("Deployment")["spec"]["replicas"] == 1
    assert "PodDisruptionBudget" not in {found["kind"] for found in chart.render()}


def test_several_operators(chart: Any) -> None:
    """Several operators are not all taken away at once."""
    values = {"replicaCount": 3}
    deployment, budget = (chart.one(kind, values) for kind in ("Deployment", "PodDisruptionBudget"))
    assert deployment["spec"]["replicas"] == 3
    assert budget["spec"]["maxUnavailable"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_next_operator_stands_by_before_the_last_one_goes(chart: Any) -> None:
    """An update never leaves the cluster without an operator."""
    strategy = chart.one("Deployment")["spec"]["strategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_rights_to_elect(chart: Any) -> None:
    """The operator may elect a leader in the namespace that it runs in, and only there."""
    values = {"serviceAccount": {"name": "a"}}
    role, binding = (chart.one(kind, values) for kind in ("Role", "RoleBinding"))
    assert {role["metadata"]["namespace"], binding["metadata"]["namespace"]} == {"team"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "a", "namespace": "team"}]


def test_large_numbers_stay_numbers(chart: Any) -> None:
    """A long period is not written as a power of ten."""
    assert "--resync-period=86400" in chart.container({"resyncPeriod": 86400})["args"]


def test_image(chart: Any) -> None:
    """Repository and tag make the image; the chart's version is the tag unless one is given."""
    values = {"image": {"repository": "registry.example.org/q", "pullPolicy": "Always"}}
    container = chart.container(values)
    assert container["image"] == f"registry.example.org/q:{__version__}"
    assert container["imagePullPolicy"] == "Always"
    assert chart.container({"image": {"tag": "dev"}})["image"] == "localhost/quiver-operator:dev"


def test_environment(chart: Any) -> None:
    """Further environment variables reach the container, besides those that name the pod."""
    paths = {
        "POD_NAMESPACE": "metadata.namespace",
        "POD_NAME": "metadata.name",
        "POD_SERVICE_ACCOUNT": "spec.serviceAccountName",
    }
    named = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in paths.items()
    ]
    assert chart.container()["env"] == named
    assert chart.container({"extraEnv": [ENV]})["env"] == [*named, ENV]


def test_resources(chart: Any) -> None:
    """Resources reach the container, one merged into the defaults."""
    assert chart.container({"resources": {"limits": {"memory": "1Gi"}}})["resources"] == LIMITS


def test_security_contexts(chart: Any) -> None:
    """Security settings reach the pod and the container, each its own."""
    values = {"podSecurityContext": {"fsGroup": 5}, "securityContext": {"runAsUser": 7}}
    assert chart.pod(values)["spec"]["securityContext"]["fsGroup"] == 5
    assert chart.container(values)["securityContext"]["runAsUser"] == 7


def test_pod_metadata(chart: Any) -> None:
    """Labels and annotations reach the pod; a label of the chart cannot be taken over."""
    labels = {"team": "a", "app.kubernetes.io/name": "b"}
    metadata = chart.pod({"podLabels": labels, "podAnnotations": {"c": "d"}})["metadata"]
    assert metadata["annotations"] == {"c": "d"}
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"]["app.kubernetes.io/name"] == "quiver"


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("quiver", {}, "quiver"),
        ("my-quiver", {}, "my-quiver"),
        ("release", {}, "release-quiver"),
        ("release", {"nameOverride": "q"}, "release-q"),
        ("release", {"fullnameOverride": "q"}, "q"),
        ("r" * 53, {"nameOverride": "n" * 63}, "r" * 53 + "-" + "n" * 9),
    ],
)
def test_names(chart: Any, release: str, values: Any, name: str) -> None:
    """Objects are called after release and chart, unless one says otherwise."""
    assert chart.one("Deployment", values, name=release)["metadata"]["name"] == name
    service = chart.one("Service", values, name=release)["metadata"]["name"]
    assert service.endswith("-metrics")
    assert len(service) <= 63


def test_service_account(chart: Any) -> None:
    """The operator runs as the ServiceAccount that the release brings, under the name given."""
    values = {"serviceAccount": {"name": "a", "annotations": {"b": "c"}}}
    metadata = chart.one("ServiceAccount", values)["metadata"]
    assert (metadata["name"], metadata["annotations"]) == ("a", {"b": "c"})
    assert chart.pod(values)["spec"]["serviceAccountName"] == "a"
    assert chart.one("ClusterRoleBinding", values)["subjects"][0]["name"] == "a"


@pytest.mark.parametrize(("name", "expected"), [("", "default"), ("theirs", "theirs")])
def test_foreign_service_account(chart: Any, name: str, expected: str) -> None:
    """Without one of its own the operator runs as one that is there."""
    values = {"serviceAccount": {"create": False, "name": name}}
    assert "ServiceAccount" not in {found["kind"] for found in chart.render(values)}
    assert chart.pod(values)["spec"]["serviceAccountName"] == expected


def test_without_rights(chart: Any) -> None:
    """Rights may be somebody else's business, those of the operator and those of users apart."""
    roles = {found["kind"] for found in chart.render({"rbac": {"create": False}})}
    assert not {"ClusterRoleBinding", "Role", "RoleBinding"} & roles
    names = [
        found["metadata"]["name"]
        for found in chart.render({"rbac": {"aggregate": False}})
        if found["kind"] == "ClusterRole"
    ]
    assert names == ["team:quiver", "team:quiver-secrets"]


def test_crds_are_kept(chart: Any) -> None:
    """CustomResourceDefinitions stay on uninstall unless one says otherwise."""
    crds = [f for f in chart.render() if f["kind"] == "CustomResourceDefinition"]
    policies = [crd["metadata"]["annotations"] for crd in crds]
    assert policies == [{"helm.sh/resource-policy": "keep"}] * 2
    let_go = [f for f in chart.render({"crds": {"keep": False}}) if f in crds]
    assert let_go == []


def test_without_crds(chart: Any) -> None:
    """CustomResourceDefinitions may come by another way."""
    kinds = {found["kind"] for found in chart.render({"crds": {"enabled": False}})}
    assert "CustomResourceDefinition" not in kinds


def test_admission_policies(chart: Any) -> None:
    """Each admission policy has its binding, and a name that no other release has."""
    long = chart.render({"fullnameOverride": "q" * 63}, name="release")
    for objects in (chart.render(), long):
        found = [f for f in objects if f["kind"].startswith("ValidatingAdmissionPolicy")]
        names = {kind: [f for f in found if f["kind"].endswith(kind)] for kind in ("cy", "ing")}
        policies = [policy["metadata"]["name"] for policy in names["cy"]]
        assert [binding["spec"]["policyName"] for binding in names["ing"]] == policies
        assert [name.partition(".")[0] for name in policies] == ["team"] * 6
        assert max(len(name) for name in policies) <= len("team.") + 63


def test_without_admission_policies(chart: Any) -> None:
    """Admission policies may be left out."""
    kinds = {found["kind"] for found in chart.render({"admissionPolicies": {"enabled": False}})}
    assert {kind for kind in kinds if "Admission" in kind} == set()


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_wrong_values(chart: Any, helm_error: type[Exception], values: Any) -> None:
    """A mistyped or impossible value is refused, by its name."""
    *_, name = re.findall(r"\w+", str([*values]))
    with pytest.raises(helm_error, match=rf"(?s)values don't meet the spec.*{name}"):
        chart.render(values)


def test_part_of_another_chart(chart: Any) -> None:
    """What a parent chart hands down, `global` and its switch, is borne."""
    assert chart.render({"global": {"a": 1}, "enabled": True}) == chart.render()


def test_schema_and_values_agree(chart: Any) -> None:
    """Schema and values.yaml know the same values, and the schema describes each."""
    schema, defaults = chart.schema()["properties"], chart.defaults()
    assert {*schema} - {"global", "enabled"} == {*defaults}
    assert [name for name, part in schema.items() if not part.get("description")] == []
    of_kubernetes = {"resources", "affinity", "strategy", "dnsConfig"} | {*PROBES}
    sections = {name for name, part in schema.items() if "properties" in part}
    for name in sections - of_kubernetes:
        assert {*schema[name]["properties"]} == {*defaults[name]}


def test_readme_has_every_value(chart: Any, knobs: set[str]) -> None:
    """The chart's page lists every value, no other, with its default."""
    text = (chart.path / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, flags=re.MULTILINE))
    assert {*rows} == knobs
    for path, shown in rows.items():
        value: Any = chart.defaults()
        for key in path.split("."):
            value = value[key]
        if shown.startswith("`") and shown.endswith("`"):
            assert shown.strip("`") == written(value), path


def written(value: Any) -> str:
    """A default as YAML shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)
