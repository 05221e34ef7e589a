"""What a cluster of somebody's must have before the demo makes anything in it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from demo.shell import Shell, Unexpected
from demo.stage import Refused
from localcluster.versions import numbers

MINIMUM_VERSION = (1, 30)
CRDS = ("vectorcollections.quiver.dev", "vectorengines.quiver.dev")
CRD_FILES = Path(__file__).resolve().parents[2] / "crds"
NO_ADMINISTRATOR = (
    "this kubeconfig's user is no administrator of it. The demo makes CustomResourceDefinitions "
    "and roles: use a user of the ClusterRole cluster-admin"
)
LEASE = "quiver-operator"
POLL_S = 1.0
LOCAL = "localhost/"
MOST_IMAGES_TOLD = 50
"""A kubelet tells of so many images unless it is set up otherwise, and of the largest first."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
KEEPS_PODS_AWAY = ("NoSchedule", "NoExecute")


class Unsuitable(Refused):
    """The demo cannot play in this cluster. Nothing was made in it."""

    def __init__(self, reasons: list[str]) -> None:
        told = "\n".join(f"- {reason}" for reason in reasons)
        super().__init__(
            f"the demo cannot play in this cluster, and has made nothing in it:\n{told}"
        )


class Images(NamedTuple):
    """What pods will need, and what a user does whose nodes have it not."""

    names: list[str]
    how_to_load: str
    patience_s: float = 20.0
    """A kubelet tells of an image that was loaded some ten seconds later."""


def require_suitable(shell: Shell, images: Images) -> bool:
    """Return whether the cluster has the CRDs already. Raises Unsuitable, with every reason."""
    _require_server(shell)
    crds = _looked_up(shell, f"crd {' '.join(CRDS)} --ignore-not-found")
    reasons = [
        *_quiver_there(shell),
        *_unlike_ours(crds),
        *_without_storage(shell),
        *_without_images(shell, images),
    ]
    if reasons:
        raise Unsuitable(reasons)
    return bool(crds)


def _require_server(shell: Shell) -> None:
    """What everything else needs: a server that answers, new enough, and all rights."""
    try:
        server = json.loads(
            shell.quiet("kubectl", "version", "-o", "json", "--request-timeout=15s")
        )
        version = server["serverVersion"]["gitVersion"]
    except (Unexpected, KeyError) as error:
        raise Unsuitable([f"it does not answer: {error}"]) from error
    if numbers(version)[:2] < MINIMUM_VERSION:
        raise Unsuitable([f"it is Kubernetes {version}, and Quiver needs 1.30 or later"])
    try:
        shell.quiet("kubectl", "auth", "can-i", "*", "*", "--all-namespaces")
    except Unexpected as error:
        raise Unsuitable([NO_ADMINISTRATOR]) from error


def _quiver_there(shell: Shell) -> Iterator[str]:
    """An operator that watches the whole cluster would work on the demo's objects too."""
    cure = "The demo brings an operator of its own and kills it: use a cluster without Quiver"
    for found in _looked_up(shell, "deployments -A -l app.kubernetes.io/name=quiver"):
        yield f"Quiver is installed already, in namespace {_namespace(found)}. {cure}"
    for found in _looked_up(shell, f"leases -A --field-selector metadata.name={LEASE}"):
        if holder := found.get("spec", {}).get("holderIdentity"):
            yield (
                f"an operator of Quiver's runs already: {holder} holds the Lease {LEASE} in "
                f"namespace {_namespace(found)}. {cure}, or delete the Lease if it is gone"
            )


def _unlike_ours(crds: list[Any]) -> Iterator[str]:
    if len(crds) == 1:
        yield f"it has but one of {' and '.join(CRDS)}: bring the other, or delete that one"
    for found in crds:
        name = _name(found)
        if "deletionTimestamp" in found["metadata"]:
            yield f"its CustomResourceDefinition {name} is being deleted: wait until it is gone"
        elif _schemas(found) != _schemas(_own_crd(name)):
            yield (
                f"its CustomResourceDefinition {name} is another version's. The demo changes none "
                "that it did not make: upgrade it (kubectl apply --server-side "
                f"--force-conflicts -f crds/), or use another cluster"
            )


def _own_crd(name: str) -> Any:
    plural, _, group = name.partition(".")
    return yaml.safe_load((CRD_FILES / f"{group}_{plural}.yaml").read_text())


def _schemas(crd: Any) -> Any:
    return {version["name"]: version["schema"] for version in crd["spec"]["versions"]}


def _without_storage(shell: Shell) -> Iterator[str]:
    classes = _looked_up(shell, "storageclasses")
    if not any(_annotations(found).get(DEFAULT_CLASS) == "true" for found in classes):
        yield (
            "it has no default StorageClass, and the engine keeps its data in a volume: annotate "
            f"one with {DEFAULT_CLASS}=true"
        )


def _without_images(shell: Shell, images: Images) -> Iterator[str]:
    local = [image for image in images.names if image.startswith(LOCAL)]
    deadline = time.monotonic() + images.patience_s
    while True:
        nodes = [node for node in _looked_up(shell, "nodes") if _takes_pods(node)]
        lacking = {_name(node): [i for i in local if not _may_have(node, i)] for node in nodes}
        told = [f"{' and '.join(names)} on node {node}" for node, names in lacking.items() if names]
        if not told or time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if not nodes:
        yield "no node of it is Ready and takes pods without tolerations"
    if told:
        yield f"images are missing: {'; '.join(told)}. {images.how_to_load}"


def _takes_pods(node: Any) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    spec = node["spec"]
    tainted = any(taint["effect"] in KEEPS_PODS_AWAY for taint in spec.get("taints", []))
    return ready and not tainted and not spec.get("unschedulable")


def _may_have(node: Any, image: str) -> bool:
    images = node["status"].get("images", [])
    told = any(image in entry.get("names") or [] for entry in images)
    return told or len(images) >= MOST_IMAGES_TOLD


def _looked_up(shell: Shell, what: str) -> list[Any]:
    told = shell.quiet("kubectl", "get", *what.split(), "-o", "json")
    return list(json.loads(told)["items"]) if told.strip() else []


def _name(found: Any) -> str:
    return str(found["metadata"]["name"])


def _namespace(found: Any) -> str:
    return str(found["metadata"]["namespace"])


def _annotations(found: Any) -> dict[str, str]:
    return dict(found["metadata"].get("annotations") or {})
