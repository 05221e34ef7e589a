"""What a server has of a long form, as a status says it: the CRD keeps that in a spec.

What a server never took may be taken off a spec again.
"""

import re
from collections.abc import Iterable

from quiver.domain.kubernetes_types import Struct
from quiver.domain.milvus_fields import MOST_FIELDS, MOST_FUNCTIONS, Field, Form
from quiver.domain.milvus_forms import is_same_field, is_same_function

MOST_LENGTH, MOST_CAPACITY = 65535, 4096
"""What a spec can say at most, and so a status: a server may have more."""
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,254}")


class HeldField(Struct, frozen=True, kw_only=True):
    name: str
    max_length: int | None = None
    max_capacity: int | None = None


class Held(Struct, frozen=True, kw_only=True):
    """The fields and functions by name, in the order of these. No fields: nobody has looked."""

    fields: tuple[HeldField, ...] = ()
    functions: tuple[str, ...] = ()
    dynamic_fields: bool = False


def held(form: Form, wanted: Form) -> Held:
    """Return what a status says of a server's form. `wanted` is that of the spec.

    A field that the spec says otherwise is none that is there: it could be corrected in no other
    way than by taking it away. What does not fit into a status is left out, last what the spec
    says.
    """
    fields = {f.name: _held_field(f) for f in form.fields if _is_kept(f, wanted)}
    there = {f.name: f for f in wanted.functions}
    functions = (f.name for f in form.functions if is_same_function(there.get(f.name, f), f))
    names = _first({field.name for field in wanted.fields}, fields, MOST_FIELDS)
    return Held(
        fields=tuple(fields[name] for name in names),
        functions=tuple(_first(set(there), functions, MOST_FUNCTIONS)),
        dynamic_fields=form.dynamic_fields,
    )


def _is_kept(found: Field, wanted: Form) -> bool:
    asked = wanted.find(found.name)
    return asked is None or is_same_field(asked, found)


def _held_field(field: Field) -> HeldField:
    return HeldField(
        name=field.name,
        max_length=_within(field.max_length, MOST_LENGTH),
        max_capacity=_within(field.max_capacity, MOST_CAPACITY),
    )


def _within(number: int | None, most: int) -> int | None:
    return None if number is None else max(1, min(number, most))


def _first(listed: set[str], names: Iterable[str], most: int) -> list[str]:
    """Return names that a status can have, in order: those that the spec lists before others."""
    fit = {name for name in names if _NAME.fullmatch(name)}
    return sorted(sorted(fit, key=lambda name: (name not in listed, name))[:most])
