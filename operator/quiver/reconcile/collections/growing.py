"""How a collection of the long form grows: the steps, and what is said where it cannot.

Nothing is ever taken away. What no server can add is a difference (`Gathered.differences`).
"""

from dataclasses import replace

from quiver.domain.conditions import Verdict
from quiver.domain.milvus_features import (
    feature_of_adding,
    feature_of_adding_function,
    feature_of_altering,
)
from quiver.domain.milvus_fields import ADDED_WITH_OUTPUT, ALTERABLE_PARAMS, Field, Function
from quiver.domain.milvus_forms import DESCRIPTION, GROWS
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.milvus_versions import Feature, needed
from quiver.domain.reasons import Reason
from quiver.domain.text import few
from quiver.ports.kubernetes import Event
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterFunction,
    AlterProperties,
    Decision,
    PublishEvent,
    SetFieldIndex,
    Step,
)
from quiver.reconcile.collections.field_indexing import index_wanted
from quiver.reconcile.collections.gathered import FIELDS, Gathered
from quiver.reconcile.collections.growth import DYNAMIC_FIELDS, growth_now, growth_wanted

_LARGER = frozenset(GROWS)


def growth_steps(g: Gathered) -> list[Step]:
    """Return the steps that add fields, and enlarge those that are there. A field's index comes
    directly after the field: without one, a collection with a new vector field cannot be loaded.
    """
    change = growth_now(g)
    steps = list[Step]()
    for field in change.fields:
        steps += [AddField(field), *_index_of(g, field)]
    steps += _alterations(g, _LARGER)
    if change.dynamic_fields:
        steps.append(AlterProperties({DYNAMIC_FIELDS: "true"}))
    added = [f"field {field.name!r}" for field in change.fields]
    return [*steps, *_told(g, [*added, *(["dynamic fields"] if change.dynamic_fields else [])])]


def function_steps(g: Gathered) -> list[Step]:
    """Return the steps that add functions, and change them. They come last: a server may lack what
    a function needs, such as a model or a kind of storage, and nothing is to wait for them.
    """
    change = growth_now(g)
    steps = list[Step]()
    for function in change.functions:
        output = _new_output(g, function)
        steps.append(AddFunction(function, output))
        steps += [] if output is None else _index_of(g, output, replaces=True)
    steps += [AlterFunction(function) for function in change.altered_functions]
    return [*steps, *_told(g, [f"function {function.name!r}" for function in change.functions])]


def storage_steps(g: Gathered) -> list[Step]:
    """Return the steps for how fields are kept in memory. Milvus refuses these for a collection
    that is loaded, so that they come after its release.
    """
    return _alterations(g, ALTERABLE_PARAMS)


def description_steps(g: Gathered) -> list[Step]:
    """Return the steps for descriptions. Some versions refuse them: nothing is to wait for them."""
    return _alterations(g, frozenset({DESCRIPTION}))


def while_schema_cannot_grow(g: Gathered, decision: Decision) -> Decision | None:
    """Stall, but converge all else: this version of Milvus does not add what the spec says."""
    lacking = [
        f"{needed(feature)} ({few(names, FIELDS)})" if names else needed(feature)
        for feature, names in _lacking(g).items()
    ]
    if not lacking:
        return None
    message = (
        f"The collection lacks what the spec says. The engine is Milvus {g.milvus_version}: "
        f"{', '.join(lacking)}. Upgrade the engine: Quiver then goes on by itself. Or take "
        "that out of the spec. All else is as the spec says."
    )
    return replace(decision, verdict=Verdict.stalled(Reason.VERSION_TOO_OLD, message))


def _alterations(g: Gathered, keys: frozenset[str]) -> list[Step]:
    """Return the steps that change these of fields, by Milvus' names."""
    steps = list[Step]()
    for name, altered in growth_now(g).altered.items():
        changed = {key: value for key, value in altered.items() if key in keys}
        steps += [AlterField(name, changed)] if changed else []
    return steps


def _new_output(g: Gathered, function: Function) -> Field | None:
    if g.form is None or function.type not in ADDED_WITH_OUTPUT:
        return None
    return g.form.find(function.output_fields[0])


def _index_of(g: Gathered, field: Field, *, replaces: bool = False) -> list[Step]:
    """Return the step for a new field's index. `replaces`: the field came with the plain one."""
    wanted = None if g.form is None else index_wanted(g.form, field)
    if g.form is None or wanted is None:
        return []
    is_other = replaces and field.is_vector and wanted != plain_index(g.form, field)
    return [SetFieldIndex(wanted, releases=is_other)]


def _told(g: Gathered, added: list[str]) -> list[Step]:
    """Return the Event of what is added to the schema: what only changes is nothing new in it."""
    if not added:
        return []
    note = f"Added to collection {g.collection_name!r}: {few(added, FIELDS)}."
    return [PublishEvent(Event("Normal", "Grown", "Grow", note))]


def _lacking(g: Gathered) -> dict[Feature, list[str]]:
    """Return what the version would have to be able to do, with the names it is lacking for."""
    wanted, now = growth_wanted(g), growth_now(g)
    found = [(feature_of_adding(f), f.name) for f in wanted.fields if f not in now.fields]
    found += dict.fromkeys(
        (feature_of_altering(key), name)
        for name, changed in wanted.altered.items()
        for key in sorted(changed.keys() - now.altered.get(name, {}).keys())
    )
    found += [
        (feature_of_adding_function(function), function.name)
        for function in wanted.functions
        if function not in now.functions
    ]
    found += [
        (Feature.ADD_FUNCTION, function.name)
        for function in wanted.altered_functions
        if function not in now.altered_functions
    ]
    lacking: dict[Feature, list[str]] = {}
    for feature, name in found:
        lacking.setdefault(feature, []).append(repr(name))
    if wanted.dynamic_fields and not now.dynamic_fields:
        lacking[Feature.ENABLE_DYNAMIC_FIELDS] = []
    return lacking
