"""Who may write the claim and the finalizer of a collection: the operator, and nobody else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane, LocalClusterError
from support.waiting import wait_until

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
POLICY = "claims-are-the-operators"
OPERATOR = "system:serviceaccount:quiver-system:quiver"
CLAIM, FINALIZER = "quiver.dev/claim", "quiver.dev/collection"
TENANTS = ["edit", "admin"]
"""Cluster roles; in the namespace of these tests each has a user of its name."""
CLAIMED = {"annotations": {CLAIM: "{}"}}
HELD = {"finalizers": [FINALIZER]}
CURES = {
    "claim": "the annotation quiver.dev/claim is the operator's to write; take it out of the"
    " manifest, or leave it as it is in the cluster",
    "finalizer": "the finalizer quiver.dev/collection is the operator's to write; take it out of"
    " the manifest",
}
FORGERIES = pytest.mark.parametrize(
    ("metadata", "cure"),
    [(CLAIMED, CURES["claim"]), (HELD, CURES["finalizer"])],
    ids=["claim", "finalizer"],
)


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane, client: Any) -> Iterator[str]:
    """A namespace where the policy is in force, with a user for each of the cluster's roles."""
    name = f"policy-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(name)
    found = [m for m in yaml.safe_load_all(INSTALL.read_text()) if is_about_rights(m)]
    policy = [m for m in found if "Admission" in m["kind"]]
    control_plane.kubectl("apply", "--filename=-", input=yaml.safe_dump_all(found))
    for role in ("view", *TENANTS):
        binding = ("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")
        control_plane.kubectl(*binding, f"--namespace={name}")
    wait_until_in_force(Kubectl(control_plane, name, "edit"))
    yield name
    control_plane.kubectl("delete", "--filename=-", input=yaml.safe_dump_all(policy))
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


def is_about_rights(manifest: Any) -> bool:
    if "Admission" in manifest["kind"]:
        return POLICY in manifest["metadata"]["name"]
    return manifest["kind"] in ("Namespace", "ServiceAccount") or "Role" in manifest["kind"]


class Kubectl:
    """kubectl as one user, in one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str, user: str) -> None:
        self._control_plane = control_plane
        self._options = (f"--as={user}", f"--namespace={namespace}")

    def __call__(self, *arguments: str, body: Any = None) -> str:
        text = None if body is None else json.dumps(body)
        return self._control_plane.kubectl(*self._options, *arguments, input=text)

    def refusal(self, *arguments: str, body: Any = None) -> str:
        """Return why the command fails; an empty text where it works."""
        try:
            self(*arguments, body=body)
        except LocalClusterError as error:
            return " ".join(str(error).split())
        return ""

    def patch(self, name: str, metadata: Any, *options: str) -> str:
        """Return why a merge patch of the object's metadata fails."""
        patch = json.dumps({"metadata": metadata})
        return self.refusal("patch", "vcol", name, "--type=merge", f"--patch={patch}", *options)


def collection(name: str, **metadata: Any) -> Any:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": name, **metadata},
        "spec": {"engineRef": {"name": "main"}, "dimension": 256},
    }


def wait_until_in_force(kubectl: Kubectl) -> None:
    """Wait until the roles have their rights, and the policy refuses."""
    attempt = ("create", "--dry-run=server", "--filename=-")
    claimed = collection("x", **CLAIMED)
    wait_until(
        lambda: CURES["claim"] in kubectl.refusal(*attempt, body=claimed), "the policy is in force"
    )


@pytest.fixture
def as_user(control_plane: ControlPlane, here: str) -> Callable[[str], Kubectl]:
    return lambda user: Kubectl(control_plane, here, user)


@pytest.fixture
def plain(as_user: Callable[[str], Kubectl]) -> str:
    """A collection that the operator has not seen yet."""
    name = f"plain-{uuid.uuid4().hex[:8]}"
    as_user("edit")("create", "--filename=-", body=collection(name))
    return name


@pytest.fixture
def held(as_user: Callable[[str], Kubectl], plain: str) -> str:
    """A collection on which the operator has written claim and finalizer, which it may."""
    assert as_user(OPERATOR).patch(plain, {**CLAIMED, **HELD}) == ""
    return plain


@pytest.mark.parametrize("user", TENANTS)
@FORGERIES
def test_nobody_creates_an_object_with_a_claim(
    as_user: Callable[[str], Kubectl], user: str, metadata: Any, cure: str
) -> None:
    """Whether the object has a name yet or not; what is refused says what to do."""
    kubectl = as_user(user)
    manifest = collection("forged", **metadata)
    assert cure in kubectl.refusal("create", "--filename=-", body=manifest)
    del manifest["metadata"]["name"]
    manifest["metadata"]["generateName"] = "forged-"
    assert cure in kubectl.refusal("create", "--filename=-", body=manifest)


@pytest.mark.parametrize("user", TENANTS)
@FORGERIES
def test_nobody_adds_a_claim(
    as_user: Callable[[str], Kubectl], plain: str, user: str, metadata: Any, cure: str
) -> None:
    """Neither by patch, nor by replace, nor by server-side apply."""
    kubectl, forged = as_user(user), collection(plain, **metadata)
    applying = ("apply", "--server-side", "--force-conflicts", "--filename=-")
    assert cure in kubectl.patch(plain, metadata)
    assert cure in kubectl.refusal("replace", "--filename=-", body=forged)
    assert cure in kubectl.refusal(*applying, body=forged)


@pytest.mark.parametrize("user", TENANTS)
def test_nobody_changes_a_claim(as_user: Callable[[str], Kubectl], held: str, user: str) -> None:
    """What the operator wrote may be taken away, and not be replaced by something else."""
    other = {"annotations": {CLAIM: '{"objectUID": "other"}'}}
    assert CURES["claim"] in as_user(user).patch(held, other)


@pytest.mark.parametrize("user", TENANTS)
@pytest.mark.parametrize(
    "metadata", [{"annotations": {CLAIM: None}}, {"finalizers": None}], ids=["claim", "finalizer"]
)
def test_anybody_takes_a_claim_off(
    as_user: Callable[[str], Kubectl], held: str, user: str, metadata: Any
) -> None:
    """By patch; it is not put on again then."""
    kubectl = as_user(user)
    assert kubectl.patch(held, metadata) == ""
    assert "is the operator's to write" in kubectl.patch(held, {**CLAIMED, **HELD})


def test_replace_takes_a_claim_off(as_user: Callable[[str], Kubectl], held: str) -> None:
    """As with a manifest from a repository, which knows nothing of it."""
    kubectl = as_user("edit")
    kubectl("replace", "--filename=-", body=collection(held))
    metadata = json.loads(kubectl("get", "vcol", held, "--output=json"))["metadata"]
    assert {"annotations", "finalizers"} & metadata.keys() == set()


def test_a_claim_that_is_left_as_it_is_is_in_nobodys_way(
    as_user: Callable[[str], Kubectl], held: str
) -> None:
    """An object is labelled, gets another finalizer, and is written back as it was read."""
    kubectl = as_user("edit")
    assert kubectl.patch(held, {"labels": {"team": "search"}}) == ""
    assert kubectl.patch(held, {"finalizers": [FINALIZER, "example.org/theirs"]}) == ""
    read = json.loads(kubectl("get", "vcol", held, "--output=json"))
    assert read["metadata"]["annotations"] == CLAIMED["annotations"]
    kubectl("replace", "--filename=-", body=read)


def test_the_operator_writes_claims(as_user: Callable[[str], Kubectl], held: str) -> None:
    """It changes and takes off what it has written."""
    kubectl = as_user(OPERATOR)
    assert kubectl.patch(held, {"annotations": {CLAIM: '{"signature": "other"}'}}) == ""
    assert kubectl.patch(held, {"finalizers": None}) == ""
    assert kubectl.patch(held, HELD) == ""


def test_objects_without_a_claim_are_made_as_ever(as_user: Callable[[str], Kubectl]) -> None:
    """With a name of the API server's making, too, and with what others write there."""
    manifest = collection("", annotations={"example.org/a": "b"}, finalizers=["example.org/c"])
    del manifest["metadata"]["name"]
    manifest["metadata"]["generateName"] = "made-"
    assert as_user("edit").refusal("create", "--filename=-", body=manifest) == ""


@pytest.mark.parametrize("user", ["view", *TENANTS])
@pytest.mark.parametrize("plural", ["vectorcollections", "vectorengines"])
def test_no_role_of_the_clusters_writes_status(
    as_user: Callable[[str], Kubectl], user: str, plural: str
) -> None:
    """Claims stand there: the roles view, edit and admin read it, and have no say in it."""
    kubectl = as_user(user)
    resource = f"{plural}.quiver.dev"
    for verb in ("patch", "update"):
        assert may_not(kubectl, verb, resource)
    assert not may_not(kubectl, "get", resource)


def may_not(kubectl: Kubectl, verb: str, resource: str) -> bool:
    return kubectl.refusal("auth", "can-i", verb, resource, "--subresource=status") != ""


@pytest.mark.parametrize("user", TENANTS)
def test_a_status_is_not_written_to(
    as_user: Callable[[str], Kubectl], plain: str, user: str
) -> None:
    """Neither by a patch, nor by the way of the scale subresource, which there is none of."""
    kubectl = as_user(user)
    patch = ("patch", "vcol", plain, "--type=merge", '--patch={"status":{"collectionName":"x"}}')
    assert "forbidden" in kubectl.refusal(*patch, "--subresource=status").lower()
    kubectl(*patch)
    found = json.loads(kubectl("get", "vcol", plain, "--output=json"))
    assert "collectionName" not in found["status"]
