"""Forms of collections on Milvus: the short one, how two differ, and how one grows."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import structs

from quiver.domain.fit import BINARY_METRICS
from quiver.domain.kubernetes_types import Struct
from quiver.domain.milvus_defaults import plain_default
from quiver.domain.milvus_fields import (
    ADDED_WITH_OUTPUT,
    ALTERABLE_PARAMS,
    Field,
    FieldType,
    Form,
    Function,
)

KEY_FIELD = "id"
VECTOR_FIELD = "vector"
_COMPARED = {
    "type": "type",
    "element_type": "elementType",
    "dimension": "dimension",
    "max_length": "maxLength",
    "max_capacity": "maxCapacity",
    "primary_key": "primaryKey",
    "auto_id": "autoID",
    "partition_key": "partitionKey",
    "clustering_key": "clusteringKey",
    "nullable": "nullable",
}
GROWS = ("max_length", "max_capacity")
"""Attributes that only become larger. Milvus has the same names for them."""
DESCRIPTION = "field.description"
ALTERABLE_FUNCTION_PARAMS = frozenset(
    {
        "credential",
        "location",
        "max_client_batch_size",
        "projectid",
        "region",
        "timeout",
        "url",
        "user",
    }
)
"""Parameters that Milvus changes of a TextEmbedding, and of no other function."""


class Growth(Struct, frozen=True, kw_only=True):
    """What a server is to add to a collection, or to change of its fields.

    `altered` has, by field, the new values by Milvus' names. `functions` come with those of their
    output fields that are new. `altered_functions` are there with other parameters.
    """

    fields: tuple[Field, ...] = ()
    altered: Mapping[str, Mapping[str, str]] = msgspec.field(default_factory=dict)
    functions: tuple[Function, ...] = ()
    altered_functions: tuple[Function, ...] = ()
    dynamic_fields: bool = False


def short_form(dimension: int, metric_type: str | None) -> Form:
    """Return the form that `spec.dimension` stands for. `metric_type` decides between numbers and
    bits.
    """
    type_: FieldType = "BinaryVector" if metric_type in BINARY_METRICS else "FloatVector"
    return Form(
        fields=(
            Field(name=KEY_FIELD, type="Int64", primary_key=True, auto_id=True),
            Field(name=VECTOR_FIELD, type=type_, dimension=dimension),
        ),
        dynamic_fields=True,
    )


def growth(wanted: Form, found: Form) -> Growth:
    """Return what a server of a version that can do all of it is to do with `found`."""
    there = {function.name: function for function in found.functions}
    functions = tuple(f for f in wanted.functions if _is_addable_function(f, wanted, found))
    outputs = _outputs(wanted.functions)
    missing = (field for field in wanted.fields if found.find(field.name) is None)
    altered = {field.name: _altered(field, found.find(field.name)) for field in wanted.fields}
    return Growth(
        fields=tuple(f for f in missing if is_addable(f) and f.name not in outputs),
        altered={name: changed for name, changed in altered.items() if changed},
        functions=functions,
        altered_functions=tuple(
            f for f in wanted.functions if f.name in there and _is_altered(f, there[f.name])
        ),
        dynamic_fields=wanted.dynamic_fields and not found.dynamic_fields,
    )


def attribute_of(field: Field, name: str) -> str | None:
    """Return what can change of a field, by Milvus' name of it."""
    if name == DESCRIPTION:
        return field.description
    value = getattr(field, name) if name in GROWS else field.params.get(name)
    return None if value is None else str(value)


def is_addable(field: Field) -> bool:
    """Tell whether a field may be added to a collection that exists, whose rows lack it."""
    return field.nullable and not (field.primary_key or field.partition_key)


def grown(wanted: Form, found: Form) -> Form:
    """Return what `found` is once all has grown that can."""
    change = growth(wanted, found)
    outputs = _outputs(change.functions)
    added = (f for f in wanted.fields if f.name in outputs and found.find(f.name) is None)
    fields = [_as_altered(field, wanted.find(field.name)) for field in found.fields]
    return Form(
        fields=(*fields, *change.fields, *added),
        dynamic_fields=found.dynamic_fields or wanted.dynamic_fields,
        functions=(*found.functions, *change.functions),
    )


def differences(wanted: Form, found: Form) -> Iterator[str]:
    """Yield a phrase for each thing in which `found` differs from what is wanted. What Milvus can
    change at any time is none.
    """
    for field in wanted.fields:
        there = found.find(field.name)
        if there is None:
            yield f"it has no field {field.name!r}"
        else:
            yield from _field_differences(field, there)
    named = {field.name for field in wanted.fields}
    yield from (
        f"it has a field {field.name!r} that spec does not say"
        for field in found.fields
        if field.name not in named
    )
    if wanted.dynamic_fields != found.dynamic_fields:
        yield f"dynamicFields is {_told(found.dynamic_fields)}, not {_told(wanted.dynamic_fields)}"
    yield from _function_differences(wanted, found)


def is_same_field(wanted: Field, found: Field) -> bool:
    """Tell whether the field is as wanted, but for what grows or changes."""
    lengths = {name: getattr(wanted, name) for name in GROWS}
    return not any(_field_differences(wanted, structs.replace(found, **lengths)))


def is_same_function(wanted: Function, found: Function) -> bool:
    """Tell whether the function is as wanted, but for what changes."""
    return _fixed(wanted, found) == _fixed(found, wanted)


def _is_addable_function(function: Function, wanted: Form, found: Form) -> bool:
    """Tell whether a function that the collection lacks can be added: some come with their output
    field, the others over fields that are there.
    """
    if any(there.name == function.name for there in found.functions):
        return False
    is_there = [found.find(name) is not None for name in function.output_fields]
    inputs_are_there = all(
        found.find(name) is not None or ((field := wanted.find(name)) and is_addable(field))
        for name in function.input_fields
    )
    if function.type in ADDED_WITH_OUTPUT:
        return inputs_are_there and len(is_there) == 1 and not is_there[0]
    return inputs_are_there and all(is_there)


def _outputs(functions: Iterable[Function]) -> set[str]:
    return {name for function in functions for name in function.output_fields}


def _field_differences(wanted: Field, found: Field) -> Iterator[str]:
    for attribute, label in _COMPARED.items():
        asked, there = getattr(wanted, attribute), getattr(found, attribute)
        is_told = there is not None or attribute not in GROWS  # milvus-lite tells not every limit
        if asked != there and is_told:
            yield f"{label} of field {wanted.name!r} is {_told(there)}, not {_told(asked)}"
    if plain_default(wanted) != plain_default(found):
        yield (
            f"default of field {wanted.name!r} is {_told(found.default)}, not "
            f"{_told(wanted.default)}"
        )
    for key in sorted(wanted.params.keys() - ALTERABLE_PARAMS):
        asked, there = str(wanted.params[key]), found.params.get(key)
        if there is None or asked != str(there):
            yield f"{key} of field {wanted.name!r} is {_told(there)}, not {asked}"


def _function_differences(wanted: Form, found: Form) -> Iterator[str]:
    there = {function.name: function for function in found.functions}
    for function in wanted.functions:
        other = there.pop(function.name, None)
        if other is None:
            yield f"it has no function {function.name!r}"
        elif not is_same_function(function, other):
            yield f"function {function.name!r} is not what spec says"
    yield from (f"it has a function {name!r} that spec does not say" for name in there)


def _fixed(function: Function, other: Function) -> tuple[object, ...]:
    """Return what cannot change of the function. A server adds parameters of its own: those that
    only one of both has do not count.
    """
    free = ALTERABLE_FUNCTION_PARAMS if function.type == "TextEmbedding" else frozenset()
    keys = function.params.keys() & other.params.keys() - free
    params = {key: str(function.params[key]) for key in keys}
    return (function.type, function.input_fields, function.output_fields, params)


def _altered(wanted: Field, found: Field | None) -> dict[str, str]:
    if found is None:
        return {}
    changed = {
        attribute: str(asked)
        for attribute in GROWS
        if (asked := getattr(wanted, attribute)) is not None
        and (there := getattr(found, attribute)) is not None
        and asked > there
    }
    if wanted.description != found.description:
        changed[DESCRIPTION] = wanted.description
    for key in wanted.params.keys() & ALTERABLE_PARAMS:
        if str(wanted.params[key]) != str(found.params.get(key)):
            changed[key] = str(wanted.params[key])
    return changed


def _as_altered(found: Field, wanted: Field | None) -> Field:
    if wanted is None:
        return found
    larger = {
        attribute: getattr(wanted, attribute)
        for attribute in GROWS
        if attribute in _altered(wanted, found)
    }
    return structs.replace(found, **larger) if larger else found


def _is_altered(wanted: Function, found: Function) -> bool:
    keys = wanted.params.keys() & ALTERABLE_FUNCTION_PARAMS
    changes = any(str(wanted.params[key]) != str(found.params.get(key)) for key in keys)
    return wanted.type == "TextEmbedding" and changes


def _told(value: object) -> str:
    if value is None:
        return "absent"
    return str(value).lower() if isinstance(value, bool) else str(value)
