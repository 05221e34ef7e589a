"""Objects as tests need them: complete, plausible, and with just the fields that matter named."""

from typing import Any

from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER, encode_claim
from quiver.domain.collections import Claim, Origin
from quiver.domain.objects import ENGINE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, Manifest

NAMESPACE = "team-a"


def metadata(name: str, **fields: Any) -> Manifest:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2024-05-01T10:00:00Z",
        **fields,
    }


def collection(
    name: str = "test01",
    *,
    spec: Manifest | None = None,
    status: Manifest | None = None,
    **meta: Any,
) -> Manifest:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": metadata(name, **meta),
        "spec": {
            "engineRef": {"name": "engine"},
            "dimension": 256,
            "indexFileSize": 1024,
            "metricType": "L2",
            **(spec or {}),
        },
        "status": status or {},
    }


def claim(
    name: str = "test01",
    *,
    uid: str | None = None,
    member: str = "engine-0",
    collection_name: str | None = None,
    origin: Origin = "Created",
) -> Claim:
    return Claim(
        object_uid=uid or f"uid-of-{name}",
        engine_uid="uid-of-engine",
        member=member,
        collection_name=collection_name or name,
        origin=origin,
    )


def claimed(held: Claim, name: str = "test01", **rest: Any) -> Manifest:
    """Return a collection whose claim and finalizer are written."""
    annotations = {CLAIM_ANNOTATION: encode_claim(held)}
    return collection(name, annotations=annotations, finalizers=[FINALIZER], **rest)


def engine(name: str = "engine", *, spec: Manifest | None = None, **meta: Any) -> Manifest:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorEngine",
        "metadata": metadata(name, **meta),
        "spec": {"type": "Quiver", "replicas": 1, **(spec or {})},
    }


def pod(name: str = "engine-0", *, ready: bool = True, ip: str | None = "10.0.0.7") -> Manifest:
    labels = {ENGINE_LABEL: name.rpartition("-")[0], MANAGED_BY_LABEL: MANAGED_BY}
    status: Manifest = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    if ip is not None:
        status["podIP"] = ip
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, labels=labels),
        "status": status,
    }
