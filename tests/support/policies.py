"""Admission policies that refuse or change what is written in one namespace."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import ControlPlane
from localcluster.errors import CommandError
from quiver.domain.kubernetes_types import Kind, Manifest
from support.waiting import wait_until

ADMISSION = "admissionregistration.k8s.io/v1"


@contextmanager
def refusing(
    plane: ControlPlane, namespace: str, kind: Kind, expression: str, message: str, **rule: str
) -> Iterator[None]:
    """Have the API server refuse each write of `kind` for which `expression` (CEL) is false.

    `subresource`, if given, is what the policy is for instead of the object itself.
    """
    name, subresource = f"refusing-{namespace}", rule.get("subresource")
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [_rule(kind, resource)]},
        "validations": [{"expression": expression, "message": message}],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": _only(namespace),
    }
    with _applied(plane, "ValidatingAdmissionPolicy", name, policy, binding):
        yield


@contextmanager
def mutating(plane: ControlPlane, namespace: str, kind: Kind, change: str) -> Iterator[None]:
    """Have the API server merge `change` (CEL: an apply configuration) into what is written."""
    name = f"mutating-{namespace}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": change}}
    policy = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [_rule(kind, kind.plural)]},
        "mutations": [mutation],
    }
    binding = {"policyName": name, "matchResources": _only(namespace)}
    with _applied(plane, "MutatingAdmissionPolicy", name, policy, binding):
        yield


def wait_refused(plane: ControlPlane, words: str, *arguments: str) -> None:
    """Wait until kubectl is refused in these words: policies come into force after a moment."""

    def holds() -> bool:
        try:
            plane.kubectl(*arguments, "--dry-run=server")
        except CommandError as error:
            return words in str(error)
        return False

    wait_until(holds, f"{' '.join(arguments)} is refused", every_s=0.2)


@contextmanager
def _applied(
    plane: ControlPlane, kind: str, name: str, policy: Manifest, binding: Manifest
) -> Iterator[None]:
    both = [_object(kind, name, policy), _object(f"{kind}Binding", name, binding)]
    items = {"apiVersion": "v1", "kind": "List", "items": both}
    plane.kubectl("apply", "--filename=-", input=json.dumps(items))
    try:
        yield
    finally:
        plane.kubectl("delete", f"{kind}Binding,{kind}".lower(), name, "--ignore-not-found")


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _rule(kind: Kind, resource: str) -> Manifest:
    return {
        "apiGroups": [kind.group],
        "apiVersions": [kind.version],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
    }


def _only(namespace: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
