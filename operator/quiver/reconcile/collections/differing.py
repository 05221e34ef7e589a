"""What is to be done about a claimed collection that cannot become what the spec says."""

from collections.abc import Iterator

from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import GROWS, grown, is_addable
from quiver.domain.text import few
from quiver.reconcile.collections.gathered import FIELDS, Gathered
from quiver.reconcile.collections.indexing import is_of_another_metric

_LABELS = dict(zip(GROWS, ("maxLength", "maxCapacity"), strict=True))


def cure_of(g: Gathered) -> str:
    """Return what a user can do where a claimed collection is not what the spec says."""
    found = g.observed.schema.form if g.observed is not None else None
    if g.form is None and g.collection.spec.index is None and is_of_another_metric(g):
        return "Name an index in spec.index, and Quiver builds it with the metric of the spec."
    usual = "Make a VectorCollection of another name, or put the spec back."
    if found is None:
        return usual
    if g.form is not None:
        edits = few(_edits(g.form, grown(g.form, found)), FIELDS)
        return f"In spec.milvus.schema, {edits}. For all else: {usual}" if edits else usual
    return (
        f"{usual} To keep the collection as it is, set deletionPolicy to Retain, delete this "
        "object, and make one with milvus.schema, which says any fields, and with adoptionPolicy "
        "IfIdentical."
    )


def _edits(wanted: Form, found: Form) -> Iterator[str]:
    """Yield what a user can change of the spec, so that it says what is there, or what can grow."""
    for field in wanted.fields:
        there = found.find(field.name)
        if (
            there is None
            and not is_addable(field)
            and not (field.primary_key or field.partition_key)
        ):
            yield f"take field {field.name!r} out, which may come back as a nullable one"
        for attribute, label in _LABELS.items():
            asked, actual = getattr(field, attribute), getattr(there, attribute, None)
            if asked is not None and actual is not None and actual > asked:
                yield f"raise {label} of field {field.name!r} to {actual}"
    for field in found.fields:
        if wanted.find(field.name) is None:
            yield f"list field {field.name!r} as it is on the engine"
    if found.dynamic_fields and not wanted.dynamic_fields:
        yield "set dynamicFields to true"
