"""A process's calls for what only engines of type Milvus do."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar

from quiver.domain.collection_schemas import ObservedFieldIndex, ObservedLoad
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from support.fake_milvus import FakeMilvus

Answer = TypeVar("Answer")


class Ask(Protocol):
    def __call__(self, effect: Callable[[FakeMilvus], Answer], /) -> Awaitable[Answer]: ...


class Tell(Protocol):
    def __call__(
        self, call: str, name: str, detail: object, do: Callable[[FakeMilvus], None], /
    ) -> Awaitable[None]: ...


class ModelLoads:
    """Implements `quiver.ports.engines.Loads` for one target."""

    def __init__(self, ask: Ask, change: Tell) -> None:
        self._ask = ask
        self._change = change

    async def describe_load(self, name: str) -> ObservedLoad:
        return await self._ask(lambda engine: engine.describe_load(name))

    async def load(self, name: str, replicas: int) -> None:
        await self._change("load", name, replicas, lambda e: e.load(name, replicas))

    async def release(self, name: str) -> None:
        await self._change("release", name, None, lambda e: e.release(name))

    async def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        detail = {**changed, **dict.fromkeys(deleted)}
        await self._change(
            "alter_properties",
            name,
            detail,
            lambda e: e.alter_properties(name, changed, deleted),
        )

    async def list_databases(self) -> frozenset[str]:
        return await self._ask(lambda engine: engine.list_databases())

    async def create_database(self, database: str) -> None:
        await self._change("create_database", database, None, lambda e: e.create_database(database))


class ModelFields:
    """Implements `quiver.ports.engines.Fields` for one target."""

    def __init__(self, ask: Ask, change: Tell) -> None:
        self._ask = ask
        self._change = change

    async def describe_indexes(self, name: str) -> Mapping[str, ObservedFieldIndex]:
        return await self._ask(lambda engine: engine.describe_indexes(name))

    async def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        await self._change(
            "set_field_index", name, index, lambda e: e.set_field_index(name, index, anew=anew)
        )

    async def drop_field_index(self, name: str, field: str) -> None:
        await self._change(
            "drop_field_index", name, field, lambda e: e.drop_field_index(name, field)
        )

    async def add_field(self, name: str, field: Field) -> None:
        await self._change("add_field", name, field, lambda e: e.add_field(name, field))

    async def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        detail = {field: dict(changed)}
        await self._change(
            "alter_field", name, detail, lambda e: e.alter_field(name, field, changed)
        )

    async def add_function(self, name: str, function: Function, output: Field | None) -> None:
        await self._change(
            "add_function", name, function, lambda e: e.add_function(name, function, output)
        )

    async def alter_function(self, name: str, function: Function) -> None:
        await self._change(
            "alter_function", name, function, lambda e: e.alter_function(name, function)
        )
