"""What objects were, as of late: whoever acts may have been told before the latest change."""

from collections.abc import Iterator

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import Key, Kind, Manifest
from simulation.admission import ABSENT
from simulation.api_server import Write
from simulation.milvus_forms import is_of, schema_of
from simulation.milvus_specs import database_of, is_on_milvus


class History:
    """All versions of the objects of some kinds."""

    def __init__(self, *kinds: Kind) -> None:
        self._versions: dict[Kind, dict[Key, list[tuple[float, Manifest | None]]]] = {
            kind: {} for kind in kinds
        }

    def note(self, write: Write) -> None:
        if write.kind in self._versions and write.old is not write.new:
            versions = self._versions[write.kind].setdefault(write.key, [])
            versions.append((write.at, write.new))

    def keys(self, kind: Kind) -> Iterator[Key]:
        yield from self._versions[kind]

    def since(self, kind: Kind, key: Key, moment: float) -> Iterator[Manifest | None]:
        """Yield what the object was at `moment` and later; None where there was none."""
        versions = self._versions[kind].get(key, [])
        for at, manifest in reversed(versions):
            yield manifest
            if at < moment:
                return
        yield None


def engine_key(manifest: Manifest) -> Key:
    reference = manifest["spec"]["engineRef"]
    namespace = reference.get("namespace") or manifest["metadata"]["namespace"]
    return Key(namespace, reference["name"])


def name_of(manifest: Manifest) -> str:
    """Return the name of the collection in the ports."""
    spec = manifest["spec"]
    name: str | None = spec.get("collectionName")
    if not name:
        name = manifest["metadata"]["name"].replace("-", "_").replace(".", "_")
        name = f"_{name}" if name[0].isdigit() else name
    database = database_of(manifest)
    return name if database == "default" else f"{database}/{name}"


def fits(manifest: Manifest, schema: CollectionSchema, *, may_grow: bool = True) -> bool:
    """Tell whether a collection is what the spec says, in what is fixed. On Milvus the metric is
    the index's, and the size of segments the server's. With `may_grow` a long form need not have
    yet what a server can add to it.
    """
    spec = manifest["spec"]
    if schema.name != name_of(manifest) or not _is_form(manifest, schema, may_grow=may_grow):
        return False
    if is_on_milvus(manifest):
        milvus = spec.get("milvus", {})
        shards = milvus.get("shards") in (None, schema.shards)
        return shards and milvus.get("consistencyLevel") in (None, schema.consistency_level)
    fixed = {**ABSENT, **spec}
    found = schema.index_file_size, schema.metric_type
    return found == (fixed["indexFileSize"], fixed["metricType"])


def _is_form(manifest: Manifest, schema: CollectionSchema, *, may_grow: bool) -> bool:
    long, form = schema_of(manifest), schema.form
    if long is not None:
        return form is not None and is_of(long, form, may_grow=may_grow)
    is_short = form is None or {field.name for field in form.fields} == {"id", "vector"}
    return is_short and schema.dimension == manifest["spec"].get("dimension")
