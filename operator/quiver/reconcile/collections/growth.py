"""What a claimed collection of the long form lacks, and what of it this version of Milvus adds."""

from msgspec import structs

from quiver.domain.milvus_features import possible
from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import Growth, growth
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


def _found(g: Gathered) -> Form | None:
    return None if g.observed is None else g.observed.schema.form
