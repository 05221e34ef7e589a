"""Which objects of Kubernetes are a VectorEngine's, and the finalizer that keeps it until they go.

They have no owner reference: with a foreground deletion, such as Argo CD's prune, the garbage
collector deletes what an object owns at once, whatever finalizers the object has.
"""

from typing import Any

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import (
    GROUP,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Manifest,
    ObjectMeta,
)
from quiver.domain.manifests import owner_reference, owner_uids

ENGINE_FINALIZER = f"{GROUP}/engine"
UID_ANNOTATION = f"{GROUP}/engine-uid"
"""Of an object that an engine became: the engine's uid."""
HASH_ANNOTATION = f"{GROUP}/manifest-hash"
"""Of the same: a hash of what it was made from. It changes when a field is removed, too."""
PARTS = (STATEFUL_SET, SERVICE, NETWORK_POLICY, POD_DISRUPTION_BUDGET)
"""What an engine becomes, in the order in which it is deleted: what guards pods goes last."""


def engine_uid_of(part: Manifest) -> str | None:
    found: str | None = (part["metadata"].get("annotations") or {}).get(UID_ANNOTATION)
    return found


def is_part_of(part: Manifest, engine_uid: str) -> bool:
    """Tell whether the object, which has the engine's name, is the engine's. Those of the release
    before have an owner alone.

    One that was made for an engine, and whose uid somebody took off, is taken up again.
    """
    annotations = part["metadata"].get("annotations") or {}
    if UID_ANNOTATION not in annotations and not owner_uids(part):
        return _is_made_here(part) and HASH_ANNOTATION in annotations
    return engine_uid in owner_uids(part) or annotations.get(UID_ANNOTATION) == engine_uid


def is_left_behind(part: Manifest) -> bool:
    """Tell whether the object was made for an engine, and no owner deletes it: once that engine is
    gone, the operator does.
    """
    has_owner = bool(owner_uids(part))
    return _is_made_here(part) and engine_uid_of(part) is not None and not has_owner


def _is_made_here(part: Manifest) -> bool:
    return (part["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def disowning_patch(part: Manifest, engine_uid: str) -> Manifest | None:
    """Return the merge patch that takes the engine off the object's owners; None if it is none."""
    if engine_uid not in owner_uids(part):
        return None
    owners = part["metadata"]["ownerReferences"]
    others = [owner for owner in owners if owner["uid"] != engine_uid]
    return {"metadata": {"ownerReferences": others or None}}


def owning_patch(part: Manifest, engine: ObjectMeta) -> Manifest | None:
    """Return the merge patch with which Kubernetes deletes the object with the engine; None if it
    does so already, or the object is not the engine's.
    """
    if not is_part_of(part, engine.uid) or engine.uid in owner_uids(part):
        return None
    owner = owner_reference(VECTOR_ENGINE, engine, block_deletion=True)
    owners = part["metadata"].get("ownerReferences") or []
    return {"metadata": {"ownerReferences": [*owners, owner]}}


def is_to_be_held(engine: VectorEngine) -> bool:
    """Tell whether the engine lacks the finalizer that it is to have."""
    metadata = engine.metadata
    return not metadata.deleting and ENGINE_FINALIZER not in metadata.finalizers


def holding_patch(finalizers: Any) -> Manifest:
    return {"metadata": {"finalizers": [*finalizers, ENGINE_FINALIZER]}}


def releasing_patch(finalizers: Any) -> Manifest:
    others = [each for each in finalizers if each != ENGINE_FINALIZER]
    return {"metadata": {"finalizers": others or None}}
