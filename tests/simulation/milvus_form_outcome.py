"""How the fields and indexes of a collection in long form must stand at rest."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from quiver.domain.kubernetes_types import Manifest
from simulation.milvus_forms import index_of, is_index_met, lacks
from support.milvus_memory import MilvusCollection


def about_form(
    manifest: Manifest, schema: Manifest, found: MilvusCollection, noted: AbstractSet[str]
) -> Iterator[str]:
    """Yield what is not as the spec says, to follow "it is Available". `noted` are the fields whose
    index the object's status said was set for it.
    """
    yield from lacks(schema, found.form)
    yield from _about_vectors(found)
    for wanted in schema.get("indexes", ()):
        there = found.indexes.get(wanted["field"])
        if there is None or not is_index_met(schema, wanted, there.told):
            told = None if there is None else (there.told.type, there.told.metric_type)
            yield f"with {told} for an index of {wanted['field']!r}, not {wanted['type']}"
    yield from _about_what_was_taken_off(schema, found, noted)
    said = [i["field"] for i in manifest["status"].get("milvus", {}).get("indexes", ())]
    unsaid = [i["field"] for i in schema.get("indexes", ()) if i["field"] not in said]
    if unsaid:
        yield f"and does not say that it has indexes for {unsaid}"


def _about_vectors(found: MilvusCollection) -> Iterator[str]:
    without = found.without_index
    if without is not None:
        yield f"without an index for the vectors {without.name!r}"


def _about_what_was_taken_off(
    schema: Manifest, found: MilvusCollection, noted: AbstractSet[str]
) -> Iterator[str]:
    """The index of vectors that was taken off may be one of a client by now."""
    vectors = {field.name for field in found.form.vectors}
    for field in sorted(noted - vectors):
        if index_of(schema, field) is None and field in found.indexes:
            yield f"with an index for {field!r}, which was taken off its spec"
