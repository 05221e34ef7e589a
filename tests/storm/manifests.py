"""What VectorCollections say, and patches of them, as their users read and write them."""

from typing import Any

from quiver.domain.kubernetes_types import Manifest
from storm import specs

MARK = "storm/last-edit"
"""An annotation that tells which request made the object what it is."""


def ready_condition(manifest: Manifest) -> dict[str, Any]:
    conditions = manifest.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})


def is_ready(manifest: Manifest) -> bool:
    return ready_condition(manifest).get("status") == "True"


def is_converged(manifest: Manifest) -> bool:
    """Tell whether the object says that it is Ready as of its latest change."""
    current = manifest["metadata"]["generation"]
    said = ready_condition(manifest)
    return said.get("status") == "True" and said.get("observedGeneration") == current


def mark_of(manifest: Manifest) -> str | None:
    mark: str | None = manifest["metadata"].get("annotations", {}).get(MARK)
    return mark


def merge_patch(old: specs.Spec, new: specs.Spec) -> specs.Spec:
    """Return what makes `old` into `new` (RFC 7386)."""
    patch: specs.Spec = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = merge_patch(before, value)
        else:
            patch[name] = value
    return patch
