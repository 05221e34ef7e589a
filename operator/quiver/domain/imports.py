"""VectorCollections for collections that exist: their names, and which are somebody's already."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from quiver.domain.collection_names import default_collection_name, qualified_name, split_name
from quiver.domain.collection_schemas import ObservedCollection
from quiver.domain.collections import OWNER_PROPERTY, PARTITION_BYTES, Claim
from quiver.domain.exported import Exported, NotExportable
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.domain.servers import Server
from quiver.domain.text import one_line

LONGEST_NAME = 63
MOST_PARTITIONS = 4096
"""That a spec lists."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A VectorCollection, and sentences about what it leaves out or would change."""

    manifest: Manifest
    remarks: tuple[str, ...] = ()


class Holders:
    """The VectorCollections that there are, of which some hold collections of a server."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._manifests = tuple(manifests)
        self._uids = {manifest["metadata"]["uid"] for manifest in self._manifests}

    def held(self, server: Server) -> frozenset[str]:
        """Return the names of the server's collections that objects have claimed."""
        claims = (_claim_of(manifest) for manifest in self._manifests)
        return frozenset(c.collection_name for c in claims if c is not None and server.is_of(c))

    def asked(self, engine: Key) -> frozenset[str]:
        """Return the names that objects of the engine ask for and have not claimed."""
        return frozenset(
            _name_asked(manifest)
            for manifest in self._manifests
            if _engine_of(manifest) == engine and _claim_of(manifest) is None
        )

    def mark(self, collection: ObservedCollection) -> str | None:
        """Return the uid of the object whose mark the collection carries, which is not here."""
        mark = collection.properties.get(OWNER_PROPERTY)
        return None if mark is None or mark in self._uids else mark

    def has_marked(self, collection: ObservedCollection) -> bool:
        return collection.properties.get(OWNER_PROPERTY) in self._uids

    def names_in(self, namespace: str) -> frozenset[str]:
        """Return the names of objects in the namespace."""
        each = (manifest["metadata"] for manifest in self._manifests)
        return frozenset(m["name"] for m in each if m["namespace"] == namespace)


def document(namespace: str, name: str, exported: Exported, mark: str | None) -> Document:
    """Return the object. `mark` is the uid of an object elsewhere that may manage the collection.

    Raises: NotExportable.
    """
    tags = exported.spec.get("partitions", ())
    size = sum(len(tag.encode()) for tag in tags)
    if len(tags) > MOST_PARTITIONS or size > PARTITION_BYTES:
        raise NotExportable(
            f"It has {len(tags)} partitions with {size} bytes of names: a spec lists at most "
            f"{MOST_PARTITIONS} with {PARTITION_BYTES}."
        )
    manifest = {
        "apiVersion": VECTOR_COLLECTION.api_version,
        "kind": VECTOR_COLLECTION.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": exported.spec,
    }
    others = [] if mark is None else [_marked(mark)]
    return Document(manifest=manifest, remarks=(*exported.remarks, *others))


def object_names(collections: Iterable[str], taken: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each collection's name in the ports with the name that its object gets: one of its own,
    and none of those that are taken.
    """
    used = set(taken)
    for collection in collections:
        database, name = split_name(collection)
        plain, longer = _plain(name), _plain(f"{database}-{name}")
        found = next(each for each in _tried(plain, longer) if each not in used)
        used.add(found)
        yield collection, found


def _tried(plain: str, longer: str) -> Iterator[str]:
    yield plain
    yield longer
    number = 1
    while True:
        number += 1
        yield f"{plain[: LONGEST_NAME - 9].rstrip('-')}-{number}"


def _plain(name: str) -> str:
    """Return what Kubernetes takes as a name: lowercase letters, digits and `-`."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()[:LONGEST_NAME]).strip("-")
    return found or "collection"


def _marked(uid: str) -> str:
    return (
        f"It carries the mark of a VectorCollection with the uid {one_line(uid, 64)}, which is not "
        "in this cluster or not to be seen. If another cluster manages it, do not apply this."
    )


def _claim_of(manifest: Manifest) -> Claim | None:
    status = manifest.get("status")
    try:
        return msgspec.convert((status or {}).get("claim"), Claim | None)
    except msgspec.ValidationError:
        return None


def _name_asked(manifest: Manifest) -> str:
    spec = manifest["spec"]
    name = spec.get("collectionName") or default_collection_name(manifest["metadata"]["name"])
    return qualified_name((spec.get("milvus") or {}).get("database"), name)


def _engine_of(manifest: Manifest) -> Key:
    reference = manifest["spec"]["engineRef"]
    return Key(reference.get("namespace") or manifest["metadata"]["namespace"], reference["name"])
