"""The fields that identify an object in log lines."""

from collections.abc import Mapping

from quiver.control.cache.cache import Cache
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Kind
from quiver.domain.manifests import collection_name_of, engine_of, uid_of


def log_fields(cache: Cache, kind: Kind, key: Key) -> Mapping[str, str]:
    """Return names and the uid, never a part of the spec that could hold more than a name."""
    fields = {"kind": kind.kind, "namespace": key.namespace, "name": key.name}
    manifest = cache.get(kind, key)
    if manifest is None:
        return fields
    fields["uid"] = uid_of(manifest)
    engine = engine_of(manifest) if kind == VECTOR_COLLECTION else key
    if engine is not None:
        fields["engine"] = engine.name if engine.namespace == key.namespace else str(engine)
    if kind == VECTOR_COLLECTION:
        fields["collection"] = collection_name_of(manifest)
    return fields
