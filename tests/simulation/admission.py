"""What the CRDs have the API server fill in and refuse, as far as simulations need it.

`tests/conformance` holds it against the CRDs themselves.
"""

from typing import Any

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind, Manifest
from quiver.ports.errors import ApiRefused
from simulation.milvus_admission import check_form, check_growth

PENDING: Manifest = {
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": "Waiting for the Quiver operator.",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ]
}
DEFAULTS: dict[Kind, Manifest] = {
    VECTOR_COLLECTION: {
        "adoptionPolicy": "Never",
        "suspend": False,
    },
    VECTOR_ENGINE: {"type": "Quiver", "replicas": 1},
}
ABSENT: Manifest = {"indexFileSize": 1024, "metricType": "L2"}
"""What a field means that is fixed, and that a spec does not name."""
FIXED: dict[Kind, tuple[str, ...]] = {
    VECTOR_COLLECTION: (
        "engineRef",
        "collectionName",
        "dimension",
        "indexFileSize",
        "metricType",
    ),
    VECTOR_ENGINE: ("type", "storage"),
}
FIXED_ON_MILVUS: Manifest = {"database": "default", "shards": 0, "consistencyLevel": ""}
"""What is fixed of spec.milvus, with what it means where a spec does not name it."""
HAS_STATUS = frozenset({*DEFAULTS})


def defaulted(kind: Kind, manifest: Manifest) -> Manifest:
    """Return the object as it is stored: with what the CRD fills in."""
    if kind not in DEFAULTS:
        return manifest
    return {
        **manifest,
        "spec": {**DEFAULTS[kind], **manifest["spec"]},
        "status": manifest.get("status") or PENDING,
    }


def check_spec(kind: Kind, manifest: Manifest) -> None:
    """Raises ApiRefused: the object is not one that any version of the CRD lets be."""
    if kind == VECTOR_COLLECTION:
        check_form(manifest["spec"])


def check_transition(kind: Kind, old: Manifest, new: Manifest) -> None:
    """Raises ApiRefused: a field that is fixed would change."""
    before: Any = old.get("spec", {})
    after: Any = new.get("spec", {})
    for field in FIXED.get(kind, ()):
        absent = ABSENT.get(field)
        if before.get(field, absent) != after.get(field, absent):
            raise ApiRefused(f"spec.{field} is fixed")
    milvus_before, milvus_after = before.get("milvus", {}), after.get("milvus", {})
    for field, absent in FIXED_ON_MILVUS.items():
        if milvus_before.get(field, absent) != milvus_after.get(field, absent):
            raise ApiRefused(f"spec.milvus.{field} is fixed")
    if kind == VECTOR_COLLECTION:
        status: Manifest = old.get("status", {}).get("milvus", {})
        check_growth(milvus_before.get("schema"), milvus_after.get("schema"), status)
    if kind == VECTOR_ENGINE and ("external" in before) != ("external" in after):
        raise ApiRefused("spec.external cannot be added or taken away")
