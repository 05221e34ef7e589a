"""Objects as tests need them: complete, plausible, and with just the fields that matter named."""

from typing import Any

import msgspec

from quiver.domain.claims import CLAIM_ANNOTATION, FINALIZER, KEY_BYTES, ClaimKeys
from quiver.domain.collections import Claim, Origin
from quiver.domain.installation import Installation, OperatorPods
from quiver.domain.kubernetes_types import ENGINE_LABEL, MANAGED_BY, MANAGED_BY_LABEL, Manifest

NAMESPACE = "team-a"
INSTALLATION = Installation("image:1", OperatorPods("quiver-system", {}))
KEYS = ClaimKeys([b"k" * KEY_BYTES])


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
            **(spec or {}),
        },
        "status": status or {},
    }


def claim(
    name: str = "test01",
    *,
    uid: str | None = None,
    engine: str = "engine",
    member: str = "engine-0",
    collection_name: str | None = None,
    origin: Origin = "Created",
    server: str | None = None,
) -> Claim:
    return Claim(
        object_uid=uid or f"uid-of-{name}",
        engine_uid=f"uid-of-{engine}",
        member=member,
        collection_name=collection_name or name,
        origin=origin,
        server=server,
    )


def claimed(held: Claim, name: str = "test01", **rest: Any) -> Manifest:
    """Return a collection whose claim and finalizer are written."""
    status = {"claim": msgspec.to_builtins(held), **rest.pop("status", {})}
    return collection(name, status=status, finalizers=[FINALIZER], **rest)


def intended(
    held: Claim, name: str = "test01", *, keys: ClaimKeys = KEYS, reserved: int = 0, **rest: Any
) -> Manifest:
    """Return a collection whose claim was written just now, with so many partitions: it is signed,
    and not in the status.
    """
    annotations = {CLAIM_ANNOTATION: keys.signed(held, reserved)}
    return collection(name, annotations=annotations, finalizers=[FINALIZER], **rest)


def engine(
    name: str = "engine",
    *,
    spec: Manifest | None = None,
    status: Manifest | None = None,
    **meta: Any,
) -> Manifest:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorEngine",
        "metadata": metadata(name, **meta),
        "spec": {"type": "Quiver", "replicas": 1, **(spec or {})},
        "status": status or {},
    }


def external(*endpoints: str, name: str = "engine", **rest: Any) -> Manifest:
    spec = {"external": {"endpoints": list(endpoints)}, **rest.pop("spec", {})}
    return engine(name, spec=spec, **rest)


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
