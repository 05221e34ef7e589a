"""A release of the chart as Helm renders it, but for its Deployment, and what it lets its operator
do.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from localcluster import ControlPlane
from machine.operator_process import OperatorProcess
from quiver.domain.kubernetes_types import Manifest
from support.waiting import eventually

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the CRDs are long
NOT_INSTALLED = ("Deployment", "CustomResourceDefinition")
CHART = Path(__file__).parents[2] / "charts" / "quiver"


async def leads(operator: OperatorProcess) -> None:
    """Wait until the operator works."""

    async def holds() -> bool:
        _, text = await asyncio.to_thread(operator.get, "/readyz")
        return text.strip() == "ok"

    await eventually(holds, "the operator leads")


class Right(NamedTuple):
    """A verb on a resource (RESOURCE.GROUP/SUBRESOURCE), in the release's own namespace or where
    its operator watches. `name` is empty unless it is of one object alone.
    """

    place: str
    verb: str
    resource: str
    name: str = ""


@dataclass
class Release:
    """A release in `namespace`, which has to exist, with CRDs that are there already."""

    control_plane: ControlPlane
    namespace: str
    values: dict[str, Any]

    def install(self) -> None:
        wanted = [m for m in self.manifests if m["kind"] not in NOT_INSTALLED]
        self.control_plane.kubectl("apply", "--filename=-", input=yaml.safe_dump_all(wanted))

    def uninstall(self) -> None:
        wanted = [m for m in self.manifests if m["kind"] not in NOT_INSTALLED]
        how = ("--wait=false", "--ignore-not-found", "--filename=-")
        self.control_plane.kubectl("delete", *how, input=yaml.safe_dump_all(wanted))

    @cached_property
    def manifests(self) -> list[Manifest]:
        usual = {"admissionPolicies": {"enabled": False}}
        values = json.dumps({**usual, "logFormat": "text", **self.values})
        where = f"--namespace={self.namespace}"
        chart = ("template", "quiver", str(CHART), where, "--no-hooks", "--values=-")
        rendered = yaml.load_all(self.control_plane.helm(*chart, input=values), Loader=LOADER)
        return [manifest for manifest in rendered if manifest]

    @property
    def user(self) -> str:
        """The operator, as the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:quiver"

    def operator(self, log: Path, *options: str) -> OperatorProcess:
        """Return an operator with the rights, arguments and names that the Deployment gives it."""
        [deployment] = [m for m in self.manifests if m["kind"] == "Deployment"]
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        _, _, *arguments = container["args"]  # the command, and where probes are served
        return OperatorProcess(
            self.control_plane.service_account_kubeconfig(self.namespace, "quiver"),
            log,
            *(*arguments, "--allow-engine-cidr=127.0.0.0/8", *options),
            environment={
                "POD_NAMESPACE": self.namespace,
                "POD_NAME": "quiver-0",
                "POD_SERVICE_ACCOUNT": "quiver",
            },
        )

    def granted(self) -> set[Right]:
        """Return what the release's bindings let the operator do."""
        return {right for binding in self.manifests for right in self._rights_by(binding)}

    def used(self) -> set[Right]:
        """Return what the operator did, by the audit log. A patch that made its object used the
        right to create, too.
        """
        return {
            right
            for entry in self._audited("allow")
            for right in _rights_in(entry, self._place(entry["objectRef"].get("namespace", "")))
        }

    def refused(self) -> list[str]:
        """Return what the operator was not allowed to do, by the audit log."""
        return [f"{entry['verb']} {entry['requestURI']}" for entry in self._audited("forbid")]

    def _audited(self, decision: str) -> Iterator[dict[str, Any]]:
        assert self.control_plane.audit_log is not None
        for line in self.control_plane.audit_log.read_text().splitlines():
            if self.user not in line:
                continue
            entry = json.loads(line)
            decided = entry.get("annotations", {}).get("authorization.k8s.io/decision")
            is_ours = entry["user"]["username"] == self.user and "resource" in (
                entry.get("objectRef") or {}
            )
            if is_ours and decided == decision:
                yield entry

    def _rights_by(self, binding: Manifest) -> Iterator[Right]:
        if not binding["kind"].endswith("RoleBinding"):
            return
        place = self._place(binding["metadata"].get("namespace", ""))
        for rule in self._role_of(binding)["rules"]:
            for name in rule.get("resourceNames", [""]):
                for verb in rule["verbs"]:
                    for resource in rule["resources"]:
                        [group] = rule["apiGroups"]
                        yield Right(place, verb, _full_name(resource, group), name)

    def _role_of(self, binding: Manifest) -> Manifest:
        reference = binding["roleRef"]
        [role] = [
            found
            for found in self.manifests
            if (found["kind"], found["metadata"]["name"]) == (reference["kind"], reference["name"])
            and found["metadata"].get("namespace", binding["metadata"].get("namespace"))
            == binding["metadata"].get("namespace")
        ]
        return role

    def _place(self, namespace: str) -> str:
        return "own" if namespace == self.namespace else "watched"


def _rights_in(entry: dict[str, Any], place: str) -> Iterator[Right]:
    target, verb = entry["objectRef"], entry["verb"]
    resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
    full_name = _full_name(resource, target.get("apiGroup", ""))
    is_own = place == "own" and verb != "create"  # the right to create has no names
    is_of_one = is_own or target["resource"] == "customresourcedefinitions"
    name = target.get("name", "") if is_of_one else ""
    yield Right(place, verb, full_name, name)
    if (verb, entry["responseStatus"]["code"]) == ("patch", 201):
        yield Right(place, "create", full_name, name)


def _full_name(resource: str, group: str) -> str:
    name, *sub = resource.split("/")
    return "/".join([f"{name}.{group}".rstrip("."), *sub])


Install = Callable[..., Release]
"""Installs a release with the given values."""
