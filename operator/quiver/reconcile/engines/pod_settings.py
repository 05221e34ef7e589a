"""What the spec of a VectorEngine says of its pods: their metadata, where they run, and as whom."""

from collections.abc import Mapping

from quiver.domain.engines import EngineSpec, Gpu
from quiver.domain.fit import GPU_MEMORY_LABEL
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.quantities import mebibytes

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_GRACE_S = 30


def pod_metadata(
    spec: EngineSpec, own_labels: Mapping[str, str], own_annotations: Mapping[str, str]
) -> Manifest:
    """Return the metadata of a pod. What is Quiver's own stands, whatever the spec says."""
    metadata: Manifest = {"labels": {**spec.pod_labels, **own_labels}}
    annotations = {**spec.pod_annotations, **own_annotations}
    if annotations:
        metadata["annotations"] = annotations
    return metadata


def pod_settings(spec: EngineSpec, own_labels: Mapping[str, str]) -> Manifest:
    """Return the fields of a pod's spec that place it, and say as whom it runs.

    What the spec leaves out is left out here: a pod of another template would be a new one.
    """
    settings: Manifest = {
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds or _GRACE_S,
        "tolerations": [*_gpu_tolerations(spec.gpu), *spec.tolerations],
    }
    optional = {
        "nodeSelector": spec.node_selector,
        "affinity": _affinity(spec),
        "topologySpreadConstraints": _spread(spec, own_labels),
        "imagePullSecrets": list(spec.image_pull_secrets),
        "priorityClassName": spec.priority_class_name,
        "runtimeClassName": spec.runtime_class_name,
        "serviceAccountName": spec.service_account_name,
        # The API server copies the name into the field that it had once, and would take it from
        # there when it is taken out of this manifest.
        "serviceAccount": spec.service_account_name,
    }
    return settings | {field: value for field, value in optional.items() if value}


def _gpu_tolerations(gpu: Gpu | None) -> list[Manifest]:
    if gpu is None:
        return []
    vendor = gpu.resource_name.partition("/")[0]
    # A MIG slice has a resource name of its own, but its node carries the taint of whole GPUs.
    key = "nvidia.com/gpu" if vendor == "nvidia.com" else gpu.resource_name
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"}]


def _affinity(spec: EngineSpec) -> Manifest:
    """Return the spec's affinity, with the GPU memory that `gpu` asks for."""
    if spec.gpu is None or spec.gpu.min_memory is None:
        return spec.affinity
    least = mebibytes(spec.gpu.min_memory)
    at_least = {"key": GPU_MEMORY_LABEL, "operator": "Gt", "values": [str(least - 1)]}
    node = spec.affinity.get("nodeAffinity", {})
    # One term suffices for a node: so each of them has to ask for the memory.
    terms = [
        {**term, "matchExpressions": [*term.get("matchExpressions", ()), at_least]}
        for term in node.get(_REQUIRED, {}).get("nodeSelectorTerms") or [{}]
    ]
    node = {**node, _REQUIRED: {"nodeSelectorTerms": terms}}
    return {**spec.affinity, "nodeAffinity": node}


def _spread(spec: EngineSpec, own_labels: Mapping[str, str]) -> list[Manifest]:
    """Return the constraints; one without a selector counts the engine's own pods."""
    own = {"labelSelector": {"matchLabels": dict(own_labels)}}
    return [{**own, **constraint} for constraint in spec.topology_spread_constraints]
