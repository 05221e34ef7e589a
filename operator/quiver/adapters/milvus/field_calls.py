"""What the engine port has for engines whose collections have fields, over the protocol of
Milvus 2.x.

No server adds the same thing twice and says so alike: each call looks first.
"""

from __future__ import annotations

from collections.abc import Mapping

from quiver.adapters.milvus.calls import Calls, pairs
from quiver.adapters.milvus.errors import EXISTS, ILLEGAL_PARAMETER, NOT_FOUND, UNEXPECTED
from quiver.adapters.milvus.field_indexes import FieldIndexes
from quiver.adapters.milvus.fields import (
    MAX_CAPACITY,
    MAX_LENGTH,
    field_schema,
    function_of,
    function_schema,
)
from quiver.adapters.milvus.index_setting import IndexSetting
from quiver.adapters.milvus.indexes import index_entries
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.schemas import field_in
from quiver.adapters.milvus.versions import require
from quiver.domain.collection_schemas import ObservedFieldIndex
from quiver.domain.milvus_features import feature_of_adding, feature_of_adding_function
from quiver.domain.milvus_fields import Field, FieldIndex, Form, Function
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.milvus_versions import Feature
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb


class MilvusFields:
    """Implements `quiver.ports.engines.Fields` for one member."""

    def __init__(self, calls: Calls, setting: IndexSetting) -> None:
        self._calls = calls
        self._indexes = FieldIndexes(calls, setting)

    async def describe_indexes(self, name: str) -> Mapping[str, ObservedFieldIndex]:
        return await self._indexes.describe(await self._calls.place(name))

    async def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        await self._indexes.set(await self._calls.place(name), index, anew=anew)

    async def drop_field_index(self, name: str, field: str) -> None:
        await self._indexes.drop(await self._calls.place(name), field)

    async def add_field(self, name: str, field: Field) -> None:
        place = await self._calls.place(name)
        await require(self._calls, feature_of_adding(field))
        _check_is_new(field, await self._calls.found(place))
        request = pb.AddCollectionFieldRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            schema=field_schema(field).SerializeToString(),
        )
        try:
            await self._calls.change(lambda stub: stub.AddCollectionField, request)
        except EngineRefused as error:
            if error.code != UNEXPECTED:
                raise
            # A field that cannot be, such as one vector too many: there is no code for it.
            raise EngineRefused(error.code, error.reason) from error

    async def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        place = await self._calls.place(name)
        await require(self._calls, Feature.ALTER_FIELD)
        there = field_in(await self._calls.found(place), field)
        if there is None:
            raise _missing("field", field)
        _check_grows(there, changed)
        request = pb.AlterCollectionFieldRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            field_name=field,
            properties=pairs(changed),
        )
        await self._calls.change(lambda stub: stub.AlterCollectionField, request)

    async def add_function(self, name: str, function: Function, output: Field | None) -> None:
        place = await self._calls.place(name)
        feature = feature_of_adding_function(function)
        await require(self._calls, feature)
        found = await self._calls.found(place)
        if _function_in(found, function.name) is not None:
            raise _exists("function", function.name)
        with_output = feature is Feature.ADD_FUNCTION_WITH_FIELD
        if with_output != (output is not None):
            raise _impossible(function, with_output=with_output)
        if output is None:
            await self._add_function(place, function)
            return
        _check_is_new(output, found)
        await self._add_with_output(place, function, output)

    async def alter_function(self, name: str, function: Function) -> None:
        """Leave the parameters that the function has besides as they are."""
        place = await self._calls.place(name)
        await require(self._calls, Feature.ADD_FUNCTION)
        there = _function_in(await self._calls.found(place), function.name)
        if there is None:
            raise _missing("function", function.name)
        known = function_of(there)
        params = {} if known is None else known.params
        schema = function_schema(function)
        del schema.params[:]
        both = {**params, **function.params}
        schema.params.extend(pairs({key: str(value) for key, value in both.items()}))
        request = pb.AlterCollectionFunctionRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            function_name=function.name,
            function_schema=schema,
        )
        await self._calls.change(lambda stub: stub.AlterCollectionFunction, request)

    async def _add_function(self, place: Place, function: Function) -> None:
        request = pb.AddCollectionFunctionRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            function_schema=function_schema(function),
        )
        await self._calls.change(lambda stub: stub.AddCollectionFunction, request)

    async def _add_with_output(self, place: Place, function: Function, output: Field) -> None:
        """Add both in one call, with the plain index of the field: some servers demand one."""
        form = Form(fields=(output,), functions=(function,))
        index = plain_index(form, output)
        field = pb.AlterCollectionSchemaRequest.FieldInfo(
            field_schema=field_schema(output),
            extra_params=pairs(index_entries(index.type, index.metric_type, index.params)),
        )
        added = pb.AlterCollectionSchemaRequest.AddRequest(
            field_infos=[field], func_schema=[function_schema(function)]
        )
        request = pb.AlterCollectionSchemaRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            action=pb.AlterCollectionSchemaRequest.Action(add_request=added),
        )
        await self._calls.slow_read(lambda stub: stub.AlterCollectionSchema, request)


def _check_is_new(field: Field, found: pb.DescribeCollectionResponse) -> None:
    """Raises: EngineRefused for a name that exists."""
    names = {there.name for there in found.schema.fields}
    if field.name in names | {there.name for there in found.schema.struct_array_fields}:
        raise _exists("field", field.name)


def _check_grows(found: pb.FieldSchema, changed: Mapping[str, str]) -> None:
    """Raises: EngineRefused for a limit that somebody has raised further: Milvus would lower it."""
    there = {pair.key: pair.value for pair in found.type_params}
    for key in (MAX_LENGTH, MAX_CAPACITY):
        before, after = there.get(key, ""), changed.get(key, "")
        if before.isdecimal() and after.isdecimal() and int(after) < int(before):
            reason = f"{key} of the field {found.name!r} is larger by now, and never shrinks"
            raise EngineRefused(ILLEGAL_PARAMETER, reason, retriable=True)


def _function_in(found: pb.DescribeCollectionResponse, name: str) -> pb.FunctionSchema | None:
    return next((there for there in found.schema.functions if there.name == name), None)


def _exists(kind: str, name: str) -> EngineRefused:
    return EngineRefused(EXISTS, f"the {kind} {name!r} exists", retriable=True)


def _missing(kind: str, name: str) -> EngineRefused:
    return EngineRefused(NOT_FOUND, f"there is no {kind} {name!r}", retriable=True)


def _impossible(function: Function, *, with_output: bool) -> EngineRefused:
    """Return the refusal of a function whose output field is there or is not, as Milvus needs."""
    if with_output:
        how = "together with its output field, and that exists"
    else:
        how = "over fields that exist, and its output field does not"
    reason = (
        f"Milvus adds a {function.type} only {how}: give the function {function.name!r} to a new"
        " collection"
    )
    return EngineRefused(ILLEGAL_PARAMETER, reason)
