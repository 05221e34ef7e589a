"""What somebody who works by Flux does and sees: commits, and what `kubectl get` says of them."""

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from localcluster import ControlPlane
from support.git_server import BRANCH, Repository
from support.manifests import Object, collection
from support.waiting import wait_until

REQUESTED = "reconcile.fluxcd.io/requestedAt"
GITOPS_DEADLINE_S = 120.0
POLL_S = 0.5
STORED = ("--output=json", "--show-managed-fields")
SHARED = {"name": "shared", "namespace": "vectors"}
"""An engine that takes collections of every team."""
LOG = logging.getLogger(__name__)
"""`make gitops` shows it."""


def guest(name: str, **spec: Any) -> Object:
    """A collection of the engine that all teams share."""
    return collection(name, engineRef=SHARED, **spec)


def condition(manifest: Object, kind: str = "Ready") -> Object:
    found = manifest.get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def since(manifest: Object, kind: str = "Ready") -> datetime:
    """When the condition became what it is."""
    return datetime.fromisoformat(condition(manifest, kind)["lastTransitionTime"])


def made_at(manifest: Object) -> datetime:
    return datetime.fromisoformat(manifest["metadata"]["creationTimestamp"])


@dataclass(frozen=True)
class Sync:
    """A repository that Flux follows, by a GitRepository in `namespace`."""

    plane: ControlPlane
    repository: Repository
    namespace: str
    name: str

    def follow(self) -> None:
        """Have Flux fetch it, now and whenever something is pushed."""
        reference = {"branch": BRANCH}
        spec = {"interval": "1h", "url": self.repository.url, "ref": reference}
        self._apply("source.toolkit.fluxcd.io/v1", "GitRepository", self.name, spec)

    def kustomize(self, name: str, path: str, **spec: Any) -> None:
        """Have Flux apply a folder of it to this namespace, and wait for what is in it."""
        source = {"kind": "GitRepository", "name": self.name}
        usual = {"interval": "1h", "timeout": "5m", "prune": True, "wait": True}
        where = {"sourceRef": source, "path": path, "targetNamespace": self.namespace}
        body = {**usual, **where, **spec}
        self._apply("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, body)

    def push(self, message: str, files: Mapping[str, Any]) -> str:
        """Commit files (manifests are written as YAML, None removes), and tell Flux, as a webhook
        of a forge does. Returns the revision.
        """
        texts = {
            name: content if content is None or isinstance(content, str) else _text(content)
            for name, content in files.items()
        }
        commit = self.repository.commit(message, texts)
        self.request(f"gitrepository/{self.name}")
        revision = f"{BRANCH}@sha1:{commit}"

        def fetched() -> bool:
            source = self.get("gitrepository", self.name)
            found: str | None = source.get("status", {}).get("artifact", {}).get("revision")
            return found == revision

        wait_until(fetched, f"Flux has fetched {revision}", GITOPS_DEADLINE_S, every_s=POLL_S)
        return revision

    def request(self, target: str) -> str:
        """Ask for a reconcile, as `flux reconcile` does; returns the request."""
        stamp = f"{datetime.now(UTC).isoformat()}-{secrets.token_hex(4)}"
        self.kubectl("annotate", "--overwrite", target, f"{REQUESTED}={stamp}")
        return stamp

    def reconcile(self, name: str) -> Object:
        """Have Kustomization `name` reconciled, wait until it is, and return it."""
        stamp = self.request(f"kustomization/{name}")
        handled = f"jsonpath={{.status.lastHandledReconcileAt}}={stamp}"
        until = (f"--for={handled}", f"--timeout={GITOPS_DEADLINE_S}s", "--output=json")
        found: Object = json.loads(self.kubectl("wait", f"kustomization/{name}", *until))
        return found

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.plane.kubectl(*arguments, f"--namespace={self.namespace}", **options)

    def _apply(self, version: str, kind: str, name: str, spec: Object) -> None:
        manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.kubectl("apply", "--filename=-", input=_text(manifest))

    def get(self, kind: str, name: str) -> Object:
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind} {name} in {self.namespace}"
        return found

    def find(self, kind: str, name: str) -> Object | None:
        said = self.kubectl("get", kind, name, *STORED, "--ignore-not-found")
        found: Object | None = json.loads(said) if said else None
        return found

    def list(self, kind: str) -> list[Object]:
        found: list[Object] = json.loads(self.kubectl("get", kind, "--output=json"))["items"]
        return found

    def says(self, name: str, status: str, *words: str, revision: str = "") -> Object:
        """Wait until Kustomization `name` says `status` of its Ready, in a message with `words`,
        having tried `revision`.
        """

        def holds() -> Object | None:
            found = self.find("kustomization", name) or {}
            ready, tried = condition(found), found.get("status", {}).get("lastAttemptedRevision")
            told = ready.get("status") == status and tried == (revision or tried)
            return found if told and all(word in ready["message"] for word in words) else None

        def failed() -> str:
            found = self.find("kustomization", name) or {}
            return f"Kustomization {name} says {status} {words}, but {found.get('status')}"

        found = wait_until(holds, failed, GITOPS_DEADLINE_S, every_s=POLL_S)
        assert found is not None
        LOG.info("Kustomization %s: Ready=%s %s", name, status, condition(found)["message"])
        return found

    def ready(self, name: str, revision: str = "") -> Object:
        return self.says(name, "True", revision=revision)

    def gone(self, kind: str, name: str) -> None:
        wait_until(
            lambda: self.find(kind, name) is None,
            f"{kind} {name} is gone",
            GITOPS_DEADLINE_S,
            every_s=POLL_S,
        )


def _text(manifest: Object) -> str:
    return yaml.safe_dump(manifest)
