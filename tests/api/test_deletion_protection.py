"""Who is refused to delete what is protected: everybody, until the protection is taken off."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane, LocalClusterError
from support.waiting import wait_until

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
POLICY = "deletion-is-protected"
ENGINE = {"external": {"endpoints": ["h.example.org:1"]}}
COLLECTION = {"engineRef": {"name": "one"}, "dimension": 8}
PROTECTED = {"deletionProtection": True}


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self.namespace = namespace

    def __call__(self, *arguments: str, body: Any = None) -> str:
        text = None if body is None else json.dumps(body)
        where = f"--namespace={self.namespace}"
        return self._control_plane.kubectl(where, *arguments, input=text)

    def make(self, kind: str, name: str, spec: Any) -> None:
        metadata = {"name": name}
        body = {"apiVersion": "quiver.dev/v1alpha1", "kind": kind, "metadata": metadata}
        self("create", "--filename=-", body={**body, "spec": spec})

    def refusal(self, *arguments: str) -> str:
        """Return why the command fails; an empty text where it works."""
        try:
            self(*arguments)
        except LocalClusterError as error:
            return " ".join(str(error).split())
        return ""


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, client: Any) -> Iterator[Kubectl]:
    """Kubectl in a namespace where the policy is in force."""
    name = f"protected-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(name)
    found = [m for m in yaml.safe_load_all(INSTALL.read_text()) if "Admission" in m["kind"]]
    text = yaml.safe_dump_all(m for m in found if m["metadata"]["name"].endswith(POLICY))
    kubectl = Kubectl(control_plane, name)
    kubectl.make("VectorEngine", "one", {**ENGINE, **PROTECTED})
    kubectl.make("VectorCollection", "one", {**COLLECTION, **PROTECTED})
    control_plane.kubectl("apply", "--filename=-", input=text)
    attempt = ("delete", "vcol", "one", "--dry-run=server")
    wait_until(lambda: "deletionProtection" in kubectl.refusal(*attempt), "the policy is in force")
    yield kubectl
    control_plane.kubectl("delete", "--filename=-", input=text)
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("kind", ["vcol", "veng"])
@pytest.mark.parametrize("how", [["--cascade=foreground"], ["--force", "--grace-period=0"]])
def test_a_protected_object_is_not_deleted(kubectl: Kubectl, kind: str, how: list[str]) -> None:
    """However it is asked for. The message says what to do."""
    refusal = kubectl.refusal("delete", kind, "one", "--wait=false", *how)
    assert ".spec.deletionProtection of Vector" in refusal
    assert f"-n {kubectl.namespace} --type=merge -p" in refusal
    assert '{"spec":{"deletionProtection":false}}' in refusal
    kubectl("get", kind, "one")


def test_a_whole_namespaces_objects_are_not_deleted_at_once(kubectl: Kubectl) -> None:
    """Those without protection go."""
    kubectl.make("VectorCollection", "two", COLLECTION)
    assert "deletionProtection" in kubectl.refusal("delete", "vcol", "--all", "--wait=false")
    assert kubectl("get", "vcol", "-o", "name").split() == ["vectorcollection.quiver.dev/one"]


def test_an_object_goes_once_its_protection_is_taken_off(kubectl: Kubectl) -> None:
    """As the message says."""
    kubectl.make("VectorEngine", "three", {**ENGINE, **PROTECTED})
    off = '{"spec":{"deletionProtection":false}}'
    kubectl("patch", "vectorengines", "three", "--type=merge", "-p", off)
    assert kubectl.refusal("delete", "veng", "three") == ""


def test_a_namespace_goes_with_what_is_protected(
    control_plane: ControlPlane, kubectl: Kubectl
) -> None:
    """It would hang in Terminating otherwise, and nobody could change the objects for long."""
    name = f"gone-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(name)
    there = Kubectl(control_plane, name)
    there.make("VectorCollection", "one", {**COLLECTION, **PROTECTED})
    assert "deletionProtection" in there.refusal("delete", "vcol", "one")
    control_plane.kubectl("delete", "namespace", name, "--wait=false")
    wait_until(
        lambda: "not found" in there.refusal("get", "vcol", "one"), "the protected object is gone"
    )
