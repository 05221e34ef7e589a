"""Bugs of what only long forms have, planted into the operator one at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import structs

from quiver.domain.milvus_forms import grown
from quiver.reconcile.collections import field_indexing, growing
from quiver.reconcile.collections.decision import (
    CreateCollection,
    DropCollection,
    DropFieldIndex,
    Step,
)
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import growth_wanted

COLLECTIONS = "quiver.reconcile.collections"


def _field_without_index() -> Any:
    """The index comes with the next reconcile."""
    return patch(f"{COLLECTIONS}.growing._index_of", lambda _g, _field, **_: [])


def _field_never_added() -> Any:
    return patch(f"{COLLECTIONS}.converge.growth_steps", lambda _g: [])


def _index_stays() -> Any:
    return patch(f"{COLLECTIONS}.field_indexing._noted", lambda _g: {})


def _status_forgets_indexes() -> Any:
    return patch(f"{COLLECTIONS}.converge.indexes_after", lambda _g: ())


def _index_of_others_dropped() -> Any:
    steps_for = field_indexing._steps_for

    def tidy(g: Gathered, form: Any, field: Any) -> Iterator[Step]:
        yield from steps_for(g, form, field)
        is_listed = field.is_vector or form.index_of(field.name) is not None
        if not is_listed and field.name in g.observation.indexes:
            yield DropFieldIndex(field.name, releases=True)

    return patch(f"{COLLECTIONS}.field_indexing._steps_for", tidy)


def _only_first_index_kept() -> Any:
    """What a client has taken away comes back only while nothing was set for the field."""
    steps_for = field_indexing._steps_for

    def once(g: Gathered, form: Any, field: Any) -> Iterator[Step]:
        is_known = field.name in field_indexing._noted(g)
        if not (is_known and field.name not in g.observation.indexes):
            yield from steps_for(g, form, field)

    return patch(f"{COLLECTIONS}.field_indexing._steps_for", once)


def _version_not_looked_at() -> Any:
    return patch(f"{COLLECTIONS}.growth.possible", lambda change, _version: change)


def _made_anew_for_a_field() -> Any:
    growth_steps = growing.growth_steps

    def anew(g: Gathered) -> list[Step]:
        if not growth_wanted(g).fields:
            return growth_steps(g)
        return [DropCollection(g.collection_name), CreateCollection(g.schema)]

    return patch(f"{COLLECTIONS}.converge.growth_steps", anew)


@contextmanager
def _adopted_and_grown() -> Iterator[None]:
    """A collection is taken as it is now; what it lacks comes by growth."""
    differences = Gathered._differences

    def lenient(g: Gathered, observed: Any) -> Iterator[str]:
        form = observed.schema.form
        if g.form is not None and form is not None and g.claim is None:
            schema = structs.replace(observed.schema, form=grown(g.form, form))
            observed = structs.replace(observed, schema=schema)
        yield from differences(g, observed)

    with patch.object(Gathered, "_differences", lenient):
        yield


FORM_MUTANTS: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("a new vector field is loaded before it has an index", _field_without_index),
    ("a missing field is never added", _field_never_added),
    ("an index taken off the spec stays", _index_stays),
    ("the status forgets the indexes of fields", _status_forgets_indexes),
    ("an index that a client has set is dropped", _index_of_others_dropped),
    ("an index that a client has dropped does not come back", _only_first_index_kept),
    ("a version is asked for what it cannot add", _version_not_looked_at),
    ("a collection is made anew for a new field", _made_anew_for_a_field),
    ("a collection is adopted that has yet to grow", _adopted_and_grown),
)
