"""What steps will do to fields, functions and their indexes, in the words of a plan."""

from collections.abc import Iterator, Mapping

from quiver.domain.collection_schemas import ObservedFieldIndex
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.milvus_forms import DESCRIPTION
from quiver.domain.text import one_line
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterFunction,
    DropFieldIndex,
    FieldStep,
    SetFieldIndex,
)

NAME = 64
"""Characters that are shown of a name."""
_OF_SPEC = {"max_length": "maxLength", "max_capacity": "maxCapacity"}
"""The spec's names of what changes of a field, where Milvus has others."""


def field_phrases(step: FieldStep, indexes: Mapping[str, ObservedFieldIndex]) -> Iterator[str]:
    """Yield what the step does, where fields have these indexes now."""
    match step:
        case SetFieldIndex(index):
            yield _index(step, indexes.get(index.field))
        case DropFieldIndex(field):
            found = indexes.get(field)
            named = "" if found is None else f" {_named(found.index)}"
            yield f"drop index{named} of field {_name(field)}"
        case AddField(field):
            yield f"add field {_typed(field)}"
        case AlterField(field, changed):
            yield from _alterations(field, changed)
        case AddFunction(function, output):
            yield _function(function, output)
        case AlterFunction(function):
            yield f"change parameters of function {_name(function.name)}"


def _index(step: SetFieldIndex, found: ObservedFieldIndex | None) -> str:
    wanted, field = _named(step.index), _name(step.index.field)
    if found is None:
        return f"build index {wanted} of field {field}"
    if step.anew:
        return f"build index {wanted} of field {field} anew"
    return f"replace index {_named(found.index)} of field {field} by {wanted}"


def _named(index: FieldIndex) -> str:
    params = [f"{name} {value}" for name, value in sorted(index.params.items())]
    told = ", ".join([*([index.metric_type] if index.metric_type else []), *params])
    return one_line(f"{index.type} ({told})" if told else index.type, 200)


def _alterations(field: str, changed: Mapping[str, str]) -> Iterator[str]:
    for key, value in sorted(changed.items()):
        if key == DESCRIPTION:
            yield f"change description of field {_name(field)}"
        else:
            told = one_line(f"{_OF_SPEC.get(key, key)} of field {_name(field)} to {value}")
            yield f"change {told}"


def _function(function: Function, output: Field | None) -> str:
    told = f"add function {_name(function.name)} ({function.type})"
    return told if output is None else f"{told} with field {_typed(output)}"


def _typed(field: Field) -> str:
    return f"{_name(field.name)} ({field.type})"


def _name(name: str) -> str:
    return repr(one_line(name, NAME))
