"""What a claimed collection of the long form lacks, and what of it this version of Milvus adds."""

from collections.abc import Sequence

from msgspec import structs

from quiver.domain.milvus_features import possible
from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import GROWS, Growth, growth
from quiver.domain.milvus_held import Held, held
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterProperties,
    CreateCollection,
    RecordClaim,
    ReplaceClaim,
    Step,
)
from quiver.reconcile.collections.gathered import Gathered

NO_GROWTH = Growth()
DYNAMIC_FIELDS = "dynamicfield.enabled"
"""The property that turns dynamicFields on. It is none that a server returns."""


def growth_wanted(g: Gathered) -> Growth:
    """Return all that the collection lacks; nothing for one that is created in this reconcile."""
    found = _found(g)
    return NO_GROWTH if g.form is None or found is None else growth(g.form, found)


def growth_now(g: Gathered) -> Growth:
    """Return the part of it that the server can do."""
    change = possible(growth_wanted(g), g.milvus_version)
    if g.observed is not None and DYNAMIC_FIELDS in g.observed.properties:
        # A version that does not know it takes it for an ordinary property.
        return structs.replace(change, dynamic_fields=False)
    return change


def fields_after(g: Gathered) -> frozenset[str]:
    """Return the names of the fields that are there once the steps are done."""
    found, change = _found(g), growth_now(g)
    fields = found.fields if found is not None else g.form.fields if g.form is not None else ()
    outputs = (name for function in change.functions for name in function.output_fields)
    return frozenset([*(field.name for field in (*fields, *change.fields)), *outputs])


def held_after(g: Gathered, done: Sequence[Step]) -> Held | None:
    """Return what the server has once these steps are done; None where that is not known, or of a
    collection that is not the object's.
    """
    is_own = g.claim is not None or any(isinstance(s, RecordClaim | ReplaceClaim) for s in done)
    if g.form is None or not is_own or g.foreign_mark is not None:
        return None
    form = _found(g)
    for step in done:
        form = step.schema.form if isinstance(step, CreateCollection) else _grown_by(step, form)
    return None if form is None else held(form, g.form)


def _grown_by(step: Step, form: Form | None) -> Form | None:
    match step, form:
        case _, None:
            return None
        case AddField(field), Form():
            return structs.replace(form, fields=(*form.fields, field))
        case AddFunction(function, output), Form():
            fields = form.fields if output is None else (*form.fields, output)
            return structs.replace(form, fields=fields, functions=(*form.functions, function))
        case AlterField(name, changed), Form():
            larger = {key: int(changed[key]) for key in GROWS if key in changed}
            fields = tuple(
                structs.replace(field, **larger) if field.name == name else field
                for field in form.fields
            )
            return structs.replace(form, fields=fields)
        case AlterProperties(changed), Form() if DYNAMIC_FIELDS in changed:
            return structs.replace(form, dynamic_fields=True)
    return form


def _found(g: Gathered) -> Form | None:
    return None if g.observed is None else g.observed.schema.form
