"""Taking away what the demo made in a cluster of somebody's, whatever state it was left in."""

import json
import time
from typing import Any

from demo.borrowed_checks import CRDS
from demo.footprint import Footprint, counted
from demo.screen import Screen
from demo.shell import Shell, Unexpected

RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
GONE_S = 60.0
POLL_S = 0.5
CLUSTER_ROLES = "clusterroles,clusterrolebindings"


def whatever_is_there(shell: Shell, name: str) -> Footprint:
    """Find what the demo of that name has made."""
    roles = _items(shell, CLUSTER_ROLES, "-l", f"app.kubernetes.io/instance={name}")
    return {
        "namespaces": _names(_items(shell, "namespaces", f"--field-selector=metadata.name={name}")),
        "cluster roles": _names(roles),
        "CustomResourceDefinitions": _names(_made_crds(shell, name)),
        "volumes": _names(_volumes(shell, name)),
    }


def clear_away(shell: Shell, screen: Screen, name: str) -> None:
    """Delete all of it, in the order in which nothing waits for what is gone.

    What fails does not keep the rest from being deleted. Raises Unexpected if something stays.
    """
    screen.note(f"clearing away what the demo made: {name}")
    where = ("--namespace", name)
    attempts = [
        ("kubectl", "delete", "vcol", "--all", *where, "--timeout=30s"),
        ("kubectl", "delete", "veng", "--all", *where, "--timeout=30s"),
        ("helm", "uninstall", name, *where, "--ignore-not-found", "--timeout=60s"),
        ("helm", "uninstall", name, *where, "--ignore-not-found", "--no-hooks"),
    ]
    for attempt in attempts:
        _try(shell, *attempt)
    _let_go(shell, where)
    _let_volumes_go(shell, name)
    _try(shell, "kubectl", "delete", "namespace", name, "--ignore-not-found", "--timeout=110s")
    _try(shell, "kubectl", "delete", CLUSTER_ROLES, "-l", f"app.kubernetes.io/instance={name}")
    for crd in _made_crds(shell, name):
        _delete_unless_used(shell, screen, crd["metadata"]["name"])
    _wait_gone(shell, name)


def _let_go(shell: Shell, where: tuple[str, str]) -> None:
    """Take the finalizers off what no operator lets go: engines go with their collections."""
    patch = ("--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    try:
        left = shell.quiet("kubectl", "get", "vcol,veng", *where, "-o", "name").split()
    except Unexpected:
        return  # no CRDs, no objects
    for found in left:
        _try(shell, "kubectl", "patch", found, *where, *patch)


def _let_volumes_go(shell: Shell, name: str) -> None:
    """A class may retain volumes; these hold nothing but the demo's vectors."""
    patch = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
    for volume in _names(_volumes(shell, name)):
        _try(shell, "kubectl", "patch", "pv", volume, "-p", patch)


def _delete_unless_used(shell: Shell, screen: Screen, crd: str) -> None:
    users = {item["metadata"]["namespace"] for item in _items(shell, crd, "--all-namespaces")}
    if users:
        screen.note(f"{crd} stays: there are objects of it in {', '.join(sorted(users))}")
        _try(shell, "kubectl", "annotate", "crd", crd, f"{RELEASE_NAMESPACE}-")
    else:
        _try(shell, "kubectl", "delete", "crd", crd, "--timeout=60s")


def _wait_gone(shell: Shell, name: str) -> None:
    """Wait for what goes by itself, such as volumes."""
    deadline = time.monotonic() + GONE_S
    while any((left := whatever_is_there(shell, name)).values()):
        if time.monotonic() > deadline:
            raise Unexpected(f"nothing to be left of {name}", counted(left))
        time.sleep(POLL_S)


def _made_crds(shell: Shell, name: str) -> list[Any]:
    """The CRDs that this demo's release brought: that of another is never among them."""
    crds = _items(shell, "crd", *CRDS, "--ignore-not-found")
    return [crd for crd in crds if _annotations(crd).get(RELEASE_NAMESPACE) == name]


def _volumes(shell: Shell, name: str) -> list[Any]:
    claims = ((pv, pv["spec"].get("claimRef") or {}) for pv in _items(shell, "pv"))
    return [pv for pv, claim in claims if claim.get("namespace") == name]


def _items(shell: Shell, *what: str) -> list[Any]:
    told = shell.quiet("kubectl", "get", *what, "-o", "json")
    return list(json.loads(told)["items"]) if told.strip() else []


def _names(items: list[Any]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def _annotations(item: Any) -> dict[str, str]:
    return dict(item["metadata"].get("annotations") or {})


def _try(shell: Shell, *words: str) -> None:
    try:
        shell.quiet(*words)
    except Unexpected:
        return  # what is left is looked for in the end
