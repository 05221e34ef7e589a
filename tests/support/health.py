"""What deployment tools make of an object's status: Argo CD by our Lua scripts, Flux and Helm by
kstatus.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lupa import lua51

from quiver.domain.kubernetes_types import Manifest

ARGO_CD = Path(__file__).parents[2] / "manifests" / "argocd"
CUSTOMIZATIONS = ARGO_CD / "resource_customizations" / "quiver.dev"
KINDS = ("VectorCollection", "VectorEngine")
WITHHELD = ("string", "math", "io", "debug", "coroutine", "os", "python")
"""Libraries that Argo CD does not open for a script of its ConfigMap, or not whole."""


class Health(NamedTuple):
    """A health as Argo CD shows it."""

    status: str
    message: str


def argo_health(manifest: Manifest) -> Health:
    """Return what Argo CD says of the object, by the script of its kind.

    Argo CD does not ask the script about an object that is being deleted.
    """
    if "deletionTimestamp" in manifest["metadata"]:
        return Health("Progressing", "Pending deletion")
    return run_script(script(manifest["kind"]), manifest)


def run_script(text: str, manifest: Manifest) -> Health:
    """Run a script over the object, as Argo CD's interpreter of Lua 5.1 does."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    scope = runtime.globals()
    scope.obj = runtime.table_from(_without_none(manifest), recursive=True)
    for name in WITHHELD:
        scope[name] = None
    answer: Any = runtime.execute(text)
    return Health(answer.status, answer.message)


@cache
def script(kind: str) -> str:
    """Return the script for a kind."""
    return (CUSTOMIZATIONS / kind / "health.lua").read_text()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_none(each) for each in value]
    return value


def kstatus(manifest: Manifest) -> str:
    """Return the object's status by the rules of kstatus for kinds that it does not know."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


AGREEING = {
    "Healthy": {"Current"},
    "Degraded": {"Failed"},
    "Progressing": {"InProgress", "Terminating"},
    "Suspended": {"Current", "InProgress", "Failed"},
}
"""By Argo CD's health, what kstatus may say of the same object. It has no word for suspended."""
