"""The manifests of a managed VectorEngine: a StatefulSet and a headless Service."""

from typing import Any

import msgspec

from quiver.domain.engines import COLLECTIONS_AND_PARTITIONS, EngineSpec, VectorEngine
from quiver.domain.fit import search_memory_mib
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    Manifest,
)
from quiver.domain.manifests import digest
from quiver.domain.members import GRPC_PORT
from quiver.domain.possession import HASH_ANNOTATION, UID_ANNOTATION, is_part_of
from quiver.domain.quantities import parse_quantity
from quiver.domain.text import one_line
from quiver.reconcile.engines.container_profiles import CONTAINER_PROFILES, ContainerProfile
from quiver.reconcile.engines.pod_files import file_annotations
from quiver.reconcile.engines.pod_settings import pod_metadata, pod_settings
from quiver.reconcile.engines.pod_volumes import DATA, mounts, volume_claim, volumes
from quiver.reconcile.engines.revisions import Rollout, held_rollout

CONTAINER = "engine"
_LONGEST_IMAGE = 1024
"""Characters of a status."""
_LARGEST_SPEC = 128 * 2**10
"""Bytes, as JSON. No StatefulSet or Service of Quiver's has so many; a NetworkPolicy may."""
LARGEST_TEMPLATE = 96 * 2**10
"""Bytes, as JSON, of the pods of an engine."""


def volume_claim_of(pod: str) -> str:
    """Return the name of the PersistentVolumeClaim of a pod whose engine has `storage`."""
    return f"{DATA}-{pod}"


def labels_of(engine: VectorEngine) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "quiver-engine",
        ENGINE_LABEL: engine.metadata.name,
        MANAGED_BY_LABEL: MANAGED_BY,
    }


def selector_of(engine: VectorEngine) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels_of(engine).items()))


def service_for(engine: VectorEngine) -> Manifest:
    profile = CONTAINER_PROFILES[engine.spec.type]
    spec = {
        "clusterIP": "None",
        "selector": labels_of(engine),
        "ports": [
            {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc"},
            {"name": "http", "port": profile.http_port, "targetPort": "http"},
        ],
    }
    return owned(engine, "v1", "Service", spec)


def template_for(engine: VectorEngine, image: str) -> Manifest:
    """Return the template of the engine's pods."""
    files = CONTAINER_PROFILES[engine.spec.type].files
    annotations = file_annotations(files) if files is not None else {}
    metadata = pod_metadata(engine.spec, labels_of(engine), annotations)
    return {"metadata": metadata, "spec": _pod_spec(engine, image)}


def stateful_set_for(
    engine: VectorEngine, *, image: str, replicas: int, rollout: Rollout | None = None
) -> Manifest:
    """Return the StatefulSet's manifest. `replicas` may exceed the spec's (`decide`). Without
    `rollout` it is a new one.
    """
    template = template_for(engine, image)
    rollout = rollout or held_rollout(engine.spec, template)
    spec: Manifest = {
        "replicas": replicas,
        "serviceName": engine.metadata.name,
        # A broken pod must not keep the StatefulSet from starting or replacing the others.
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels_of(engine)},
        "template": template,
    }
    if engine.spec.storage is not None:
        spec["volumeClaimTemplates"] = [volume_claim(engine.spec)]
    made = owned(engine, "apps/v1", "StatefulSet", spec)
    made["metadata"]["annotations"] |= rollout.annotations()
    return {**made, "spec": {**spec, "updateStrategy": rollout.strategy()}}


def template_size(engine: VectorEngine) -> int:
    """Return how many bytes the pods' template has as JSON, without the image's name."""
    return len(msgspec.json.encode(template_for(engine, "")))


def owned(engine: VectorEngine, api_version: str, kind: str, spec: Manifest) -> Manifest:
    """Return a manifest of the engine's name and with its labels, marked as this engine's."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": engine.metadata.name,
            "namespace": engine.metadata.namespace,
            "labels": labels_of(engine),
            "annotations": {
                HASH_ANNOTATION: digest(spec),
                UID_ANNOTATION: engine.metadata.uid,
            },
        },
        "spec": spec,
    }


def image_of(engine: VectorEngine, stateful_set: Manifest | None) -> str | None:
    """Return the image of the engine's pods, as the API server has it: a webhook may have named
    another than Quiver did.
    """
    if stateful_set is None or not is_part_of(stateful_set, engine.metadata.uid):
        return None
    containers = stateful_set["spec"].get("template", {}).get("spec", {}).get("containers", ())
    images = (c.get("image", "") for c in containers if c.get("name") == CONTAINER)
    return next((one_line(image, _LONGEST_IMAGE) for image in images), None)


def bounded_spec(spec: Manifest) -> Manifest:
    """Return the spec, or a digest in place of one that is too large to be kept: it differs when
    the spec does.
    """
    is_small = len(msgspec.json.encode(spec)) <= _LARGEST_SPEC
    return spec if is_small else {"digest": digest(spec)}


def _pod_spec(engine: VectorEngine, image: str) -> Manifest:
    spec, profile = engine.spec, CONTAINER_PROFILES[engine.spec.type]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": profile.pod_security,
        "containers": [_container(spec, profile, image)],
        "volumes": volumes(spec, profile),
        **pod_settings(spec, labels_of(engine)),
    }


def _container(spec: EngineSpec, profile: ContainerProfile, image: str) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": image,
        "ports": [
            {"name": "grpc", "containerPort": GRPC_PORT},
            {"name": "http", "containerPort": profile.http_port},
        ],
        # An engine with a large data directory starts slowly, but within ten minutes.
        "startupProbe": _probe(profile.readiness_path, periodSeconds=1, failureThreshold=600),
        "readinessProbe": _probe(profile.readiness_path, periodSeconds=2),
        "livenessProbe": _probe(profile.liveness_path, periodSeconds=10, failureThreshold=6),
        "securityContext": profile.container_security,
        "volumeMounts": mounts(spec, profile),
        "resources": _resources(spec),
    }
    args = [*profile.args, *_memory_args(spec, profile), *_count_args(spec, profile)]
    if spec.tls is not None and profile.tls_args is not None:
        args += profile.tls_args(spec.tls)
    if args:
        container["args"] = args
    if profile.env is not None:
        container["env"] = [{"name": k, "value": v} for k, v in profile.env(spec).items()]
    return container


def _memory_args(spec: EngineSpec, profile: ContainerProfile) -> list[str]:
    limit = spec.resources.get("limits", {}).get("memory", 0)
    # A limit may be a plain number of bytes; 0 means no limit.
    budget = search_memory_mib(int(parse_quantity(limit) / 2**20))
    return [f"{profile.memory_option}={budget}Mi"] if profile.memory_option and budget else []


def _count_args(spec: EngineSpec, profile: ContainerProfile) -> list[str]:
    """Return the option for more than the engine takes anyway.

    Quiver alone keeps a lower limit. So it may change without new pods, and pods of earlier
    versions stay.
    """
    limit = spec.member_limit
    needs_option = profile.count_option and limit > COLLECTIONS_AND_PARTITIONS
    return [f"{profile.count_option}={limit}"] if needs_option else []


def _probe(path: str, **timing: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **timing}


def _resources(spec: EngineSpec) -> dict[str, Any]:
    if spec.gpu is None:
        return dict(spec.resources)
    gpus = {spec.gpu.resource_name: str(spec.gpu.count)}
    return {
        **spec.resources,
        "limits": {**spec.resources.get("limits", {}), **gpus},
        "requests": {**spec.resources.get("requests", {}), **gpus},
    }
