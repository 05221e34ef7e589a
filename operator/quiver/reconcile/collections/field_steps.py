"""The steps that only engines take whose collections have fields: Milvus 2.x and later."""

from quiver.domain.milvus_fields import Field, Form
from quiver.domain.milvus_forms import attribute_of, differences, growth
from quiver.ports.engines import EngineClient, Fields
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterFunction,
    DropFieldIndex,
    FieldStep,
    SetFieldIndex,
)
from quiver.reconcile.collections.field_indexing import is_met


async def do_on_fields(step: FieldStep, name: str, fields: Fields) -> None:
    """Carry out one step for the collection `name`. Raises: EngineError."""
    match step:
        case SetFieldIndex(index, anew=anew):
            await fields.set_field_index(name, index, anew=anew)
        case DropFieldIndex(field):
            await fields.drop_field_index(name, field)
        case AddField(new):
            await fields.add_field(name, new)
        case AlterField(field, changed):
            await fields.alter_field(name, field, changed)
        case AddFunction(function, output):
            await fields.add_function(name, function, output)
        case AlterFunction(function):
            await fields.alter_function(name, function)


async def is_done_on_fields(
    step: FieldStep, name: str, client: EngineClient, fields: Fields
) -> bool:
    """Tell whether the step, which the engine has refused, is done all the same. Raises:
    EngineError.
    """
    match step:
        case SetFieldIndex(anew=True):
            return False
        case SetFieldIndex(index):
            found = (await fields.describe_indexes(name)).get(index.field)
            return found is not None and is_met(index, found.index)
        case DropFieldIndex(field):
            return field not in await fields.describe_indexes(name)
        case _:
            observed = await client.describe(name)
            form = None if observed is None else observed.schema.form
            return form is not None and _has_grown(step, form)


def _has_grown(step: AddField | AlterField | AddFunction | AlterFunction, found: Form) -> bool:
    match step:
        case AddField(new):
            there = found.find(new.name)
            is_other = there is None or any(differences(_alone(new), _alone(there)))
            return not is_other
        case AlterField(name, changed):
            field = found.find(name)
            return field is not None and all(
                attribute_of(field, key) == value for key, value in changed.items()
            )
        case AddFunction(function):
            return any(there.name == function.name for there in found.functions)
        case AlterFunction(function):
            wanted = Form(fields=found.fields, functions=(function,))
            change = growth(wanted, found)
            return not (change.functions or change.altered_functions)


def _alone(field: Field) -> Form:
    return Form(fields=(field,))
