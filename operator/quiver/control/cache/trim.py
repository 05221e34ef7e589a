"""Trims manifests to what the operator reads: ten thousand of them stay in memory."""

from sys import intern
from typing import Any

from quiver.domain.kubernetes_types import POD, Kind, Manifest

APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_POD_STATUS = (
    "phase",
    "podIP",
    "podIPs",
    "conditions",
    "containerStatuses",
    "initContainerStatuses",
)


def trim(kind: Kind, manifest: Manifest) -> Manifest:
    """Return a copy without what the operator does not read. All copies share field names."""
    # Items in lists of built-in objects have no apiVersion and kind.
    kept = {**manifest, "apiVersion": intern(kind.api_version), "kind": kind.kind}
    kept["metadata"] = _trim_metadata(manifest["metadata"])
    if kind == POD:
        kept["spec"] = {"nodeName": manifest.get("spec", {}).get("nodeName", "")}
        status = manifest.get("status", {})
        kept["status"] = {key: status[key] for key in _POD_STATUS if key in status}
    copy: Manifest = _shared(kept)
    return copy


def _trim_metadata(metadata: Manifest) -> Manifest:
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    if APPLIED_ANNOTATION in kept.get("annotations", {}):
        annotations = dict(kept["annotations"])
        del annotations[APPLIED_ANNOTATION]
        kept["annotations"] = annotations
    return kept


def _shared(value: Any) -> Any:
    if isinstance(value, dict):
        return {intern(key): _shared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item) for item in value]
    return value
