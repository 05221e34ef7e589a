"""Reads fields of raw manifests, and makes owner references for them."""

import hashlib
from typing import Any

import msgspec

from quiver.domain.collection_names import default_collection_name, qualified_name
from quiver.domain.kubernetes_types import Key, Kind, Manifest, ObjectMeta


def uid_of(manifest: Manifest) -> str:
    uid: str = manifest["metadata"]["uid"]
    return uid


def digest(value: Any) -> str:
    """Return a short hash of what may stand in a manifest."""
    encoded = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:16]


def version_of(manifest: Manifest) -> int:
    """Return the resourceVersion, which the API server promises to be comparable within one
    cluster.
    """
    return int(manifest["metadata"]["resourceVersion"])


def seniority_of(manifest: Manifest) -> tuple[str, str]:
    """Return a sort key that puts the older object first, as `ObjectMeta.seniority` does."""
    metadata = manifest["metadata"]
    return metadata["creationTimestamp"], metadata["uid"]


def engine_of(collection: Manifest) -> Key | None:
    """Return the VectorEngine that a VectorCollection refers to; None if its spec names none."""
    reference = collection.get("spec", {}).get("engineRef", {})
    name = reference.get("name")
    namespace = reference.get("namespace") or collection["metadata"]["namespace"]
    return None if name is None else Key(namespace, name)


def collection_name_of(collection: Manifest) -> str:
    """Return the name in the ports that the VectorCollection's spec gives its collection."""
    spec = collection["spec"]
    name = spec.get("collectionName") or default_collection_name(collection["metadata"]["name"])
    return qualified_name((spec.get("milvus") or {}).get("database"), name)


def owner_uids(manifest: Manifest) -> frozenset[str]:
    """Return the uids of the objects that own this one."""
    owners = manifest["metadata"].get("ownerReferences", [])
    return frozenset(owner["uid"] for owner in owners)


def is_about_to_go(manifest: Manifest, kind: Kind, successor: ObjectMeta) -> bool:
    """Tell whether Kubernetes removes the object by itself: it is being deleted, or belonged to an
    earlier object of the kind and name of `successor`, and the garbage collector has yet to come.
    """
    metadata = manifest["metadata"]
    owners = metadata.get("ownerReferences") or ()
    names = {(o.get("apiVersion"), o.get("kind"), o.get("name")) for o in owners}
    is_orphaned = names == {(kind.api_version, kind.kind, successor.name)}
    return "deletionTimestamp" in metadata or is_orphaned


def owner_reference(kind: Kind, owner: ObjectMeta, *, block_deletion: bool = False) -> Manifest:
    """Return a reference to the controlling owner, with which Kubernetes deletes the object."""
    reference = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
    }
    return {**reference, "blockOwnerDeletion": True} if block_deletion else reference
