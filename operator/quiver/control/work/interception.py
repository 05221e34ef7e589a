"""Interceptors for calls to engines, the same for every protocol."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from quiver.domain.access import Target
from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedIndex,
    ObservedLoad,
)
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Engines, Fields, Loads

Answer = TypeVar("Answer")


class EngineCall(NamedTuple, Generic[Answer]):
    """One call to an engine, which `send` sends.

    `name` is the method of the port. `changes` tells whether the call may change what the engine
    holds.
    """

    target: Target
    name: str
    changes: bool
    send: Callable[[], Awaitable[Answer]]


class Interceptor(Protocol):
    """Sends the call and does something before or after it, or raises instead."""

    async def __call__(self, call: EngineCall[Answer]) -> Answer: ...


class InterceptedEngines:
    """Implements `quiver.ports.engines.Engines` over another. The interceptor sends all calls."""

    def __init__(self, engines: Engines, intercept: Interceptor) -> None:
        self._engines = engines
        self._intercept = intercept

    def at(self, target: Target) -> EngineClient:
        return InterceptedClient(self._engines.at(target), target, self._intercept)


class _Intercepted:
    """Knows the target of calls, and who sends them."""

    def __init__(self, target: Target, intercept: Interceptor) -> None:
        self._target = target
        self._intercept = intercept

    def _read(self, name: str, send: Callable[[], Awaitable[Answer]]) -> Awaitable[Answer]:
        return self._intercept(EngineCall(self._target, name, False, send))

    def _change(self, name: str, send: Callable[[], Awaitable[Answer]]) -> Awaitable[Answer]:
        return self._intercept(EngineCall(self._target, name, True, send))


class InterceptedLoads(_Intercepted):
    """Implements `quiver.ports.engines.Loads` over another."""

    def __init__(self, loads: Loads, target: Target, intercept: Interceptor) -> None:
        super().__init__(target, intercept)
        self._loads = loads

    async def describe_load(self, name: str) -> ObservedLoad:
        return await self._read("describe_load", lambda: self._loads.describe_load(name))

    async def load(self, name: str, replicas: int) -> None:
        await self._change("load", lambda: self._loads.load(name, replicas))

    async def release(self, name: str) -> None:
        await self._change("release", lambda: self._loads.release(name))

    async def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        await self._change(
            "alter_properties", lambda: self._loads.alter_properties(name, changed, deleted)
        )

    async def list_databases(self) -> frozenset[str]:
        return await self._read("list_databases", self._loads.list_databases)

    async def create_database(self, database: str) -> None:
        await self._change("create_database", lambda: self._loads.create_database(database))


class InterceptedFields(_Intercepted):
    """Implements `quiver.ports.engines.Fields` over another."""

    def __init__(self, fields: Fields, target: Target, intercept: Interceptor) -> None:
        super().__init__(target, intercept)
        self._fields = fields

    async def describe_indexes(self, name: str) -> Mapping[str, ObservedFieldIndex]:
        return await self._read("describe_indexes", lambda: self._fields.describe_indexes(name))

    async def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        await self._change(
            "set_field_index", lambda: self._fields.set_field_index(name, index, anew=anew)
        )

    async def drop_field_index(self, name: str, field: str) -> None:
        await self._change("drop_field_index", lambda: self._fields.drop_field_index(name, field))

    async def add_field(self, name: str, field: Field) -> None:
        await self._change("add_field", lambda: self._fields.add_field(name, field))

    async def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        await self._change("alter_field", lambda: self._fields.alter_field(name, field, changed))

    async def add_function(self, name: str, function: Function, output: Field | None) -> None:
        await self._change(
            "add_function", lambda: self._fields.add_function(name, function, output)
        )

    async def alter_function(self, name: str, function: Function) -> None:
        await self._change("alter_function", lambda: self._fields.alter_function(name, function))


class InterceptedClient(_Intercepted):
    """Implements `quiver.ports.engines.EngineClient` over another, and knows which of its calls
    change something.
    """

    def __init__(self, client: EngineClient, target: Target, intercept: Interceptor) -> None:
        super().__init__(target, intercept)
        self._client = client

    @property
    def loads(self) -> Loads | None:
        loads = self._client.loads
        return None if loads is None else InterceptedLoads(loads, self._target, self._intercept)

    @property
    def fields(self) -> Fields | None:
        fields = self._client.fields
        return None if fields is None else InterceptedFields(fields, self._target, self._intercept)

    async def version(self) -> str:
        return await self._read("version", self._client.version)

    async def instance(self) -> str | None:
        return await self._read("instance", self._client.instance)

    async def report(self) -> EngineReport:
        return await self._read("report", self._client.report)

    async def list_collections(self) -> frozenset[str]:
        return await self._read("list_collections", self._client.list_collections)

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._read("describe", lambda: self._client.describe(name))

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._read("count_rows", lambda: self._client.count_rows(name, tag))

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._read("describe_index", lambda: self._client.describe_index(name))

    async def set_index(
        self, name: str, index: Index | None, metric_type: str | None = None
    ) -> None:
        await self._change("set_index", lambda: self._client.set_index(name, index, metric_type))

    async def search_once(self, schema: CollectionSchema) -> None:
        await self._read("search_once", lambda: self._client.search_once(schema))

    async def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        await self._change("create", lambda: self._client.create(schema, properties))

    async def drop(self, name: str) -> None:
        await self._change("drop", lambda: self._client.drop(name))

    async def create_partition(self, name: str, tag: str) -> None:
        await self._change("create_partition", lambda: self._client.create_partition(name, tag))

    async def drop_partition(self, name: str, tag: str) -> None:
        await self._change("drop_partition", lambda: self._client.drop_partition(name, tag))
