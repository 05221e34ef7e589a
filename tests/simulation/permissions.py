"""What a VectorCollection that holds a claim, as it was at some moment, allows to be asked of its
engine, given what is to become of the collection when the object goes.
"""

from collections.abc import Callable
from typing import Any

from quiver.domain.claims import FINALIZER
from quiver.domain.kubernetes_types import Manifest
from simulation.history import fits
from simulation.milvus_specs import (
    OWNER,
    SET,
    copies_of,
    is_on_milvus,
    is_to_be_loaded,
    properties_of,
)


def _may_create(manifest: Manifest, _policy: str, schema: Any) -> bool:
    return _is_kept(manifest) and _is_staying(manifest) and fits(manifest, schema)


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
        may = "index" in manifest["status"] or is_on_milvus(manifest)
        return _is_staying(manifest) and wanted is None and may
    return _is_staying(manifest) and wanted == {"type": index.type, "params": index.params}


def _may_load(manifest: Manifest, _policy: str, copies: Any) -> bool:
    wanted = is_to_be_loaded(manifest) and copies_of(manifest) == copies
    return _is_staying(manifest) and wanted


def _may_release(manifest: Manifest, _policy: str, _detail: object) -> bool:
    return _is_staying(manifest) and not is_to_be_loaded(manifest)


def _may_alter_properties(manifest: Manifest, _policy: str, altered: Any) -> bool:
    """What is taken away must have been set for the object, which `MilvusSafety` sees to."""
    listed = {OWNER: manifest["metadata"]["uid"], **properties_of(manifest)}
    is_listed = all(listed.get(k) == value for k, value in altered.items() if k != SET)
    return _is_staying(manifest) and is_listed


def _may_create_database(manifest: Manifest, _policy: str, _detail: object) -> bool:
    return _is_staying(manifest)


MAY: dict[str, Callable[[Manifest, str, Any], bool]] = {
    "create": _may_create,
    "drop": _may_drop,
    "create_partition": _may_create_partition,
    "drop_partition": _may_drop_partition,
    "set_index": _may_set_index,
    "load": _may_load,
    "release": _may_release,
    "alter_properties": _may_alter_properties,
    "create_database": _may_create_database,
}


def _is_staying(manifest: Manifest) -> bool:
    return "deletionTimestamp" not in manifest["metadata"] and not manifest["spec"].get("suspend")


def _is_kept(manifest: Manifest) -> bool:
    return FINALIZER in manifest["metadata"].get("finalizers", ())
