"""What a VectorCollection that holds a claim, as it was at some moment, allows to be asked of its
engine, given what is to become of the collection when the object goes.
"""

from collections.abc import Callable
from typing import Any

from quiver.domain.claims import FINALIZER
from quiver.domain.collections import CollectionSchema
from quiver.domain.kubernetes_types import Manifest
from simulation.history import schema_of


def _may_create(manifest: Manifest, _policy: str, schema: Any) -> bool:
    return _is_kept(manifest) and _is_staying(manifest) and described(schema) == schema_of(manifest)


def _may_drop(manifest: Manifest, policy: str, _detail: object) -> bool:
    if "deletionTimestamp" not in manifest["metadata"] or manifest["spec"].get("suspend"):
        return False
    return _is_kept(manifest) and policy != "Retain"


def _may_create_partition(manifest: Manifest, _policy: str, tag: Any) -> bool:
    return _is_staying(manifest) and tag in manifest["spec"].get("partitions", ())


def _may_drop_partition(manifest: Manifest, policy: str, tag: Any) -> bool:
    listed = tag in manifest["spec"].get("partitions", ())
    was_listed = tag in manifest["status"].get("partitions", ())
    may = was_listed and not listed and policy != "Retain"
    return _is_staying(manifest) and may


def _may_set_index(manifest: Manifest, _policy: str, index: Any) -> bool:
    wanted = manifest["spec"].get("index")
    if index is None:
        return _is_staying(manifest) and wanted is None and "index" in manifest["status"]
    return _is_staying(manifest) and wanted == {"type": index.type, "params": index.params}


MAY: dict[str, Callable[[Manifest, str, Any], bool]] = {
    "create": _may_create,
    "drop": _may_drop,
    "create_partition": _may_create_partition,
    "drop_partition": _may_drop_partition,
    "set_index": _may_set_index,
}


def _is_staying(manifest: Manifest) -> bool:
    return "deletionTimestamp" not in manifest["metadata"] and not manifest["spec"].get("suspend")


def _is_kept(manifest: Manifest) -> bool:
    return FINALIZER in manifest["metadata"].get("finalizers", ())


def described(schema: CollectionSchema) -> tuple[str, int, int | None, str | None]:
    return schema.name, schema.dimension, schema.index_file_size, schema.metric_type
