"""The indexes of a long form, one for each field: the steps that lead to them, and what is said
until they are built.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from msgspec import structs

from quiver.domain.collection_schemas import ObservedFieldIndex
from quiver.domain.conditions import Verdict
from quiver.domain.milvus_fields import Field, FieldIndex
from quiver.domain.milvus_indexes import metric_of, plain_index
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.milvus_versions import Feature, can
from quiver.reconcile.collections.decision import Decision, DropFieldIndex, SetFieldIndex, Step
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import fields_after
from quiver.reconcile.collections.index_builds import (
    build_failed,
    building,
    has_given_up,
    is_mostly_built,
    unlisted,
)


def field_index_steps(g: Gathered) -> list[Step]:
    """Return the steps for the indexes of the fields that are there, or are made with the
    collection. Those of fields that are added come with these (`growth_steps`).
    """
    form = g.form
    if form is None:
        return []
    there = g.observed.schema.form if g.observed is not None else form
    fields = [f for f in form.fields if there is not None and there.find(f.name) is not None]
    return [step for field in fields for step in _steps_for(g, form, field)]


def index_wanted(form: MilvusSchema, field: Field) -> FieldIndex | None:
    """Return the index that the field is to have: vectors cannot be searched without one."""
    listed = form.index_of(field.name)
    if listed is not None:
        return structs.replace(listed, metric_type=metric_of(form, listed))
    return plain_index(form, field) if field.is_vector else None


def indexes_after(g: Gathered) -> tuple[FieldIndex, ...]:
    """Return the indexes of the spec that Quiver has had the engine take, once the steps are done.

    A reconcile that set one may end before its status is written. If it is then taken off the spec
    at once, nobody knows whose it was, and it is left alone.
    """
    return tuple(index for index, _ in _listed(g))


def while_field_indexes_are_not_built(g: Gathered, decision: Decision) -> Decision | None:
    """Report the first build that has failed or goes on, and requeue. A collection that is created
    in this reconcile has no rows to index.
    """
    if g.form is None or g.observed is None:
        return None
    verdict = next(chain(_failures(g), _builds(g, decision)), None)
    return None if verdict is None else replace(decision, verdict=verdict, retry=True)


def vectors_are_mostly_built(g: Gathered) -> bool:
    """Tell whether a load would find most vectors indexed, in all fields."""
    form = g.form
    if form is None:
        return is_mostly_built(g.observation.index)
    return all(is_mostly_built(g.observation.indexes.get(field.name)) for field in form.vectors)


def _steps_for(g: Gathered, form: MilvusSchema, field: Field) -> Iterator[Step]:
    wanted, found = index_wanted(form, field), g.observation.indexes.get(field.name)
    before = _noted(g).get(field.name)
    if wanted is None:
        if before is not None and found is not None:
            yield DropFieldIndex(field.name, releases=_releases(g, field))
    elif found is None:
        yield SetFieldIndex(wanted)
    elif _is_to_be_replaced(form, wanted, found, before):
        is_met_now = is_met(wanted, found.index)
        yield SetFieldIndex(wanted, releases=_releases(g, field), anew=is_met_now)


def _releases(g: Gathered, field: Field) -> bool:
    """Tell whether the engine may have to release the collection to drop the field's index."""
    version = g.milvus_version
    return field.is_vector or version is None or not can(version, Feature.DROP_LOADED_INDEX)


def _is_to_be_replaced(
    form: MilvusSchema, wanted: FieldIndex, found: ObservedFieldIndex, before: FieldIndex | None
) -> bool:
    """Tell whether the index that is there is not as wanted. One that the spec never named is left
    alone where the spec names none.
    """
    is_listed = form.index_of(wanted.field) is not None
    if not is_listed and before is None:
        return False
    if not is_met(wanted, found.index) or (is_listed and has_given_up(found)):
        return True
    return before is not None and _has_more_than_wanted(before, wanted, found.index)


def is_met(wanted: FieldIndex, found: FieldIndex) -> bool:
    """Tell whether `found` has all that is wanted, and measures the same."""
    is_metric_met = wanted.metric_type is None or found.metric_type in (None, wanted.metric_type)
    return is_metric_met and wanted.is_met_by(found)


def _has_more_than_wanted(before: FieldIndex, wanted: FieldIndex, found: FieldIndex) -> bool:
    """Tell whether the index has a parameter yet that was taken off the spec."""
    dropped = unlisted(before.params, wanted.params)
    if not dropped or before.type != wanted.type:
        return False
    return structs.replace(before, params=dropped).is_met_by(found)


def _noted(g: Gathered) -> Mapping[str, FieldIndex]:
    """Return the indexes that Quiver has set. Without a claim, the status is of another server."""
    status = g.collection.status.milvus
    if status is None or g.claim is None:
        return {}
    return {index.field: index for index in status.indexes}


def _listed(g: Gathered) -> Iterator[tuple[FieldIndex, ObservedFieldIndex | None]]:
    """Yield the spec's indexes of fields that are there after this reconcile."""
    form, names = g.form, fields_after(g)
    if form is None:
        return
    for listed in form.indexes:
        if listed.field in names:
            index = structs.replace(listed, metric_type=metric_of(form, listed))
            yield index, g.observation.indexes.get(listed.field)


def _failures(g: Gathered) -> Iterator[Verdict]:
    for index, found in _listed(g):
        if found is not None and found.failure is not None and index.is_met_by(found.index):
            yield build_failed(_told(index), found)


def _builds(g: Gathered, decision: Decision) -> Iterator[Verdict]:
    begun = {s.index.field for s in decision.steps if isinstance(s, SetFieldIndex)}
    for index, found in _listed(g):
        if index.field in begun:
            yield building(_told(index), None, "rows")
        elif found is not None and found.progress is not None and not _serves_with(g, found):
            yield building(_told(index), found.progress, "rows")


def _serves_with(g: Gathered, found: ObservedFieldIndex) -> bool:
    """Tell whether the collection is searched with the index. Milvus indexes each segment that is
    full, and is never done where clients go on inserting.
    """
    return g.is_loaded and is_mostly_built(found)


def _told(index: FieldIndex) -> str:
    return f"index {index.type} of field {index.field!r}"
