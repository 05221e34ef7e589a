"""Trims manifests to what the operator reads: ten thousand of them stay in memory, and tenants may
write half a megabyte into each.
"""

from collections.abc import Container
from hashlib import blake2b
from sys import intern
from typing import Any

from quiver.domain.claims import CLAIM_ANNOTATION, LONGEST_ANNOTATION
from quiver.domain.data_loss import ACKNOWLEDGING
from quiver.domain.kubernetes_types import (
    ENGINE_LABEL,
    GROUP,
    MANAGED_BY_LABEL,
    MOST_FINALIZERS,
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Kind,
    Manifest,
)
from quiver.domain.outdated_pods import UPGRADE_ANNOTATION
from quiver.domain.possession import HASH_ANNOTATION, UID_ANNOTATION
from quiver.reconcile.engines.revisions import (
    FIELDS_ANNOTATION,
    REVISION_LABEL,
    TEMPLATE_ANNOTATION,
)
from quiver.reconcile.engines.workload import bounded_spec

RECONCILE_ANNOTATION = f"{GROUP}/reconcile"
"""Whose change has Quiver look at an object."""
_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)
_ANNOTATIONS = (
    CLAIM_ANNOTATION,
    RECONCILE_ANNOTATION,
    ACKNOWLEDGING,
    UPGRADE_ANNOTATION,
    HASH_ANNOTATION,
    UID_ANNOTATION,
    TEMPLATE_ANNOTATION,
    FIELDS_ANNOTATION,
)
_LABELS = ("app.kubernetes.io/name", ENGINE_LABEL, MANAGED_BY_LABEL, REVISION_LABEL)
_POD_STATUS = ("phase", "podIP", "podIPs", "conditions", "containerStatuses")
_SHARED = frozenset({"namespace", "metricType", "type", "status", "reason", "pod", "endpoint"})
"""Fields whose values many objects have in common."""
_MOST_OWNERS = 16
"""A Secret of Quiver's has one, the first; what an engine becomes has none."""


def trim(kind: Kind, manifest: Manifest) -> Manifest:
    """Return a copy without what the operator does not read. Copies share field names and values
    that are often the same.
    """
    # Items in lists of built-in objects have no apiVersion and kind.
    kept = {**manifest, "apiVersion": intern(kind.api_version), "kind": kind.kind}
    kept["metadata"] = _trim_metadata(kind, manifest["metadata"])
    if kind == POD:
        kept["spec"] = {"nodeName": manifest.get("spec", {}).get("nodeName", "")}
        kept["status"] = _only(manifest.get("status", {}), _POD_STATUS)
    elif kind not in (VECTOR_COLLECTION, VECTOR_ENGINE):
        kept["spec"] = bounded_spec(manifest.get("spec", {}))
    copy: Manifest = _shared(kept)
    if kind == VECTOR_COLLECTION:
        _share_partitions(copy)
    return copy


def _only(fields: Manifest, names: Container[str]) -> Manifest:
    return {name: value for name, value in fields.items() if name in names}


def _trim_metadata(kind: Kind, metadata: Manifest) -> Manifest:
    kept = _only(metadata, _METADATA)
    annotations = _only(metadata.get("annotations") or {}, _ANNOTATIONS)
    if annotations:
        kept["annotations"] = {name: _short(text) for name, text in annotations.items()}
    if kind not in (VECTOR_COLLECTION, VECTOR_ENGINE):
        kept["labels"] = _only(metadata.get("labels") or {}, _LABELS)
        kept["ownerReferences"] = metadata.get("ownerReferences", [])[:_MOST_OWNERS]
    if kind in (VECTOR_COLLECTION, VECTOR_ENGINE) and metadata.get("finalizers"):
        # One more than there may be shows that there are more.
        kept["finalizers"] = metadata["finalizers"][: MOST_FINALIZERS + 1]
    return kept


def _short(text: str) -> str:
    """Return the text, or a digest in place of one that is too long to be a claim: it differs when
    the text does.
    """
    if len(text) <= LONGEST_ANNOTATION:
        return text
    return blake2b(text.encode(errors="surrogatepass")).hexdigest()


def _share_partitions(collection: Manifest) -> None:
    """Have the lists of partitions in spec and status share what they have in common."""
    spec, status = collection.get("spec") or {}, collection.get("status") or {}
    wanted = spec.get("partitions")
    if not isinstance(wanted, list) or not all(isinstance(tag, str) for tag in wanted):
        return
    tags = {tag: tag for tag in wanted}
    for name in ("partitions", "retainedPartitions"):
        found = status.get(name)
        if found == wanted:
            status[name] = wanted
        elif isinstance(found, list):
            status[name] = [tags.get(tag, tag) for tag in found]


def _shared(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        return {intern(key): _shared(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item) for item in value]
    if field in _SHARED and isinstance(value, str):
        return intern(value)
    return value
