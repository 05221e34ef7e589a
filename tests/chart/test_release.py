"""A release on a real API server: what it brings, what its operator may do, what stays of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client import (
    V1ResourceAttributes,
    V1SubjectAccessReview,
    V1SubjectAccessReviewSpec,
)
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane
from support.helm_release import CHART, CRDS, Release
from support.waiting import wait_until

# One worker installs once for all of them.
pytestmark = pytest.mark.xdist_group("chart-release")

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
DEADLINE_S = 30
COLLECTION = """
apiVersion: quiver.dev/v1alpha1
kind: VectorCollection
metadata: {name: kept}
spec: {engineRef: {name: main}, dimension: 8}
"""
HOLDER, CURRENT = "jsonpath={.spec.holderIdentity}", "jsonpath={.data.current}"
MADE_BY_THE_OPERATOR = """
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: quiver-operator}
spec: {holderIdentity: quiver-0_1, leaseDurationSeconds: 15}
---
apiVersion: v1
kind: Secret
metadata: {name: quiver-claim-keys}
type: quiver.dev/claim-keys
data: {current: a2V5}
"""
OPERATOR_MAY = {
    "quiver.dev/vectorcollections": "get list watch patch",
    "quiver.dev/vectorengines": "get list watch patch",
    "quiver.dev/vectorcollections/status": "patch",
    "quiver.dev/vectorengines/status": "patch",
    "quiver.dev/vectorengines/finalizers": "update",
    "apps/statefulsets": "get list watch create patch delete",
    "/services": "get list watch create patch delete",
    "networking.k8s.io/networkpolicies": "get list watch create patch delete",
    "policy/poddisruptionbudgets": "get list watch create patch delete",
    "/pods": "get list watch",
    "/namespaces": "get",
    "/nodes": "get",
    "events.k8s.io/events": "create list patch",
}
OPERATOR_MUST_NOT = {
    "quiver.dev/vectorcollections": "create update delete deletecollection",
    "quiver.dev/vectorengines": "create update delete deletecollection",
    "quiver.dev/vectorengines/scale": "get update patch",
    "apps/statefulsets": "update deletecollection",
    "apps/deployments": "get list create patch delete",
    "/services": "update deletecollection",
    "networking.k8s.io/networkpolicies": "update deletecollection",
    "policy/poddisruptionbudgets": "update deletecollection",
    "/pods": "create update patch delete",
    "/pods/eviction": "create",
    "/pods/exec": "create get",
    "/secrets": "get list watch create update patch delete deletecollection",
    "/configmaps": "get list create patch",
    "/serviceaccounts/token": "create",
    "/persistentvolumeclaims": "get delete",
    "/nodes": "list watch create update patch delete",
    "/namespaces": "list watch create update patch delete",
    "/events": "create",
    "events.k8s.io/events": "get watch update delete",
    "coordination.k8s.io/leases": "get list watch update patch delete",
    "admissionregistration.k8s.io/validatingadmissionpolicies": "get list create patch delete",
    "rbac.authorization.k8s.io/clusterroles": "get bind escalate",
    "apiextensions.k8s.io/customresourcedefinitions": "get list patch",
}
USERS_MAY = {
    "view": {"vectorcollections": "get list watch", "vectorengines": "get list watch"},
    "edit": {
        "vectorcollections": "get create update patch delete deletecollection",
        "vectorengines": "get create update patch delete deletecollection",
        "vectorengines/scale": "get update patch",
    },
    "admin": {"vectorcollections": "get create delete", "vectorengines": "get create delete"},
}
USERS_MUST_NOT = {
    "view": {"vectorcollections": "create patch delete", "vectorengines/scale": "update"},
    "edit": {"vectorcollections/status": "update patch", "vectorengines/status": "patch"},
    "admin": {"vectorcollections/status": "update patch"},
}


@pytest.fixture(scope="module")
def release(control_plane: ControlPlane) -> Iterator[Release]:
    """The chart, installed with its default values."""
    release = Release.install(control_plane)
    release.kubectl("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    yield release
    release.helm("uninstall", "--no-hooks")
    release.kubectl("delete", "namespace", release.namespace, "--wait=false")


@pytest.fixture(scope="module")
def may(release: Release) -> Callable[..., bool]:
    """Tell whether somebody may do something, in the release's namespace unless told where."""
    client = kubernetes.config.new_client_from_config(str(release.control_plane.kubeconfig))
    reviews = kubernetes.client.AuthorizationV1Api(client)

    def ask(
        user: str, verb: str, resource: str, namespace: str = release.namespace, of: str = ""
    ) -> bool:
        group, name, *sub = resource.split("/")
        attributes = V1ResourceAttributes(
            namespace=namespace,
            group=group,
            resource=name,
            subresource="/".join(sub),
            verb=verb,
            name=of,
        )
        spec = V1SubjectAccessReviewSpec(user=user, resource_attributes=attributes)
        review = reviews.create_subject_access_review(V1SubjectAccessReview(spec=spec))
        return bool(review.status.allowed)

    return ask


@pytest.fixture
def operator(release: Release) -> str:
    """The user that the operator is."""
    return f"system:serviceaccount:{release.namespace}:quiver"


def test_install(release: Release) -> None:
    """After `helm install` the operator's Deployment, Service and ServiceAccount are there."""
    wanted = ("deployment/quiver", "service/quiver-metrics", "serviceaccount/quiver")
    listed = release.kubectl("get", *wanted, "--output=name").split()
    assert listed == ["deployment.apps/quiver", "service/quiver-metrics", "serviceaccount/quiver"]


def test_notes(release: Release) -> None:
    """The notes name the Deployment, and what they say to type next is accepted."""
    notes = release.helm("get notes")
    assert f"--namespace {release.namespace} rollout status deployment/quiver" in notes
    [manifest] = re.findall(r"<<YAML\n(.*?)\nYAML\n", notes, flags=re.DOTALL)
    release.kubectl("create", "--dry-run=server", "--filename=-", input=manifest)


def test_restricted(release: Release) -> None:
    """The operator's pod may run where the strictest Pod Security Standard is enforced."""
    level = "pod-security.kubernetes.io/enforce=restricted"
    release.kubectl("label", "namespace", release.namespace, level)
    deployment = yaml.safe_load(release.kubectl("get", "deployment/quiver", "--output=yaml"))
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {"name": "tried", "labels": template["metadata"]["labels"]}
    release.kubectl("create", "--dry-run=server", "--filename=-", input=yaml.safe_dump(pod))


@pytest.mark.parametrize(("resource", "verbs"), OPERATOR_MAY.items(), ids=OPERATOR_MAY)
def test_operator_may(may: Any, operator: str, resource: str, verbs: str) -> None:
    """The operator has the rights that it needs."""
    assert [verb for verb in verbs.split() if not may(operator, verb, resource)] == []


@pytest.mark.parametrize(("resource", "verbs"), OPERATOR_MUST_NOT.items(), ids=OPERATOR_MUST_NOT)
def test_operator_must_not(may: Any, operator: str, resource: str, verbs: str) -> None:
    """The operator has no right that it does not need."""
    assert [verb for verb in verbs.split() if may(operator, verb, resource)] == []


OWN = {
    "coordination.k8s.io/leases": ("quiver-operator", ["get", "create", "patch"]),
    "/secrets": ("quiver-claim-keys", ["get", "patch"]),
}


@pytest.mark.parametrize(("resource", "name", "verbs"), [(k, *v) for k, v in OWN.items()])
def test_own_objects(
    release: Release, may: Any, operator: str, resource: str, name: str, verbs: list[str]
) -> None:
    """Of Leases and Secrets the operator may read and write its own, in its own namespace alone.
    There it may create Leases; the Secret is the release's.
    """
    every = ("get", "list", "watch", "create", "update", "patch", "delete")
    everywhere = (release.namespace, "default", "kube-system", "kube-node-lease")
    places = [*((name, namespace) for namespace in everywhere), ("other", release.namespace)]
    allowed = {
        (verb, of, namespace)
        for verb in every
        for of, namespace in places
        if may(operator, verb, resource, namespace, of)
    }
    others = {("create", "other", release.namespace)} if "create" in verbs else set()
    assert allowed == {(verb, name, release.namespace) for verb in verbs} | others


def test_the_operator_reads_one_crd(may: Any, operator: str) -> None:
    """Of CustomResourceDefinitions it may read that of VectorCollections, and nothing else."""
    verbs = ("get", "list", "watch", "create", "update", "patch", "delete")
    resource = "apiextensions.k8s.io/customresourcedefinitions"
    names = ("vectorcollections.quiver.dev", "vectorengines.quiver.dev", "other.example.org")
    asked = [(verb, name) for verb in verbs for name in names]
    allowed = [(verb, name) for verb, name in asked if may(operator, verb, resource, "", name)]
    assert allowed == [("get", "vectorcollections.quiver.dev")]


def test_operator_writes_status(release: Release) -> None:
    """With the operator's own token status can be written, and Secrets cannot be listed."""
    release.kubectl("create", "--filename=-", input=COLLECTION.replace("kept", "written"))
    kubeconfig = release.control_plane.service_account_kubeconfig(release.namespace, "quiver")
    client = kubernetes.config.new_client_from_config(str(kubeconfig))
    objects = kubernetes.client.CustomObjectsApi(client)
    written = objects.patch_namespaced_custom_object_status(
        *("quiver.dev", "v1alpha1", release.namespace, "vectorcollections", "written"),
        {"status": {"collectionName": "a"}},
        _content_type="application/merge-patch+json",
    )
    assert written["status"]["collectionName"] == "a"
    with pytest.raises(ApiException, match="Forbidden"):
        kubernetes.client.CoreV1Api(client).list_namespaced_secret(release.namespace)


@pytest.mark.parametrize("role", USERS_MAY)
def test_users(release: Release, may: Any, role: str) -> None:
    """Who may view, edit or administer a namespace may do the same with what is of Quiver in it."""
    user = f"{role}er"
    release.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")

    def refused() -> list[str]:
        return [
            f"{verb} {resource}"
            for resource, verbs in USERS_MAY[role].items()
            for verb in verbs.split()
            if not may(user, verb, f"quiver.dev/{resource}")
        ]

    wait_until(lambda: not refused(), lambda: f"nothing is refused: {refused()}", DEADLINE_S)
    too_much = [
        f"{verb} {resource}"
        for resource, verbs in USERS_MUST_NOT[role].items()
        for verb in verbs.split()
        if may(user, verb, f"quiver.dev/{resource}")
    ]
    assert too_much == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples(release: Release, sample: Path) -> None:
    """The samples are accepted as they stand."""
    release.kubectl("create", "--dry-run=server", f"--filename={sample}")


def test_install_manifest(release: Release) -> None:
    """What install.yaml says is accepted without Helm."""
    text = (ROOT / "manifests" / "install.yaml").read_text()
    here = text.replace("quiver-system", release.namespace)
    how = ("--server-side", "--force-conflicts", "--dry-run=server", "--filename=-")
    release.kubectl("apply", *how, input=here)


def test_upgrade(control_plane: ControlPlane) -> None:
    """An upgrade with other settings reaches the Deployment, and brings its budget."""
    release = Release.install(control_plane)
    release.helm("upgrade", str(CHART), "--set=workers=3,replicaCount=2")
    arguments = "--output=jsonpath={.spec.template.spec.containers[0].args}"
    assert "--workers=3" in release.kubectl("get", "deployment/quiver", arguments)
    assert release.kubectl("get", "pdb/quiver", "--output=jsonpath={.spec.maxUnavailable}") == "1"
    release.helm("uninstall", "--no-hooks")


def test_upgrade_keeps_lease_and_keys(control_plane: ControlPlane) -> None:
    """What the operator wrote into its Lease and its Secret stays, also when the release goes.
    Where an earlier version made the Secret, `--take-ownership` hands it over.
    """
    release = Release.install(control_plane)
    release.kubectl("delete", "secret/quiver-claim-keys")
    release.kubectl("create", "--filename=-", input=MADE_BY_THE_OPERATOR)

    def assert_kept() -> None:
        assert release.kubectl("get", "lease/quiver-operator", f"-o={HOLDER}") == "quiver-0_1"
        assert release.kubectl("get", "secret/quiver-claim-keys", f"-o={CURRENT}") == "a2V5"

    for options in (["--take-ownership"], [], ["--set=workers=3"]):
        release.helm("upgrade", str(CHART), *options)
        assert_kept()
    release.helm("uninstall", "--no-hooks")
    assert_kept()
