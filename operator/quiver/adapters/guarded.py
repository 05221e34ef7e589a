"""Engines that are changed only while this process leads."""

from collections.abc import Callable

from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient, Engines


class GuardedEngines:
    """Implements `quiver.ports.engines.Engines` over another."""

    def __init__(self, engines: Engines, require: Callable[[], None]) -> None:
        """`require` is called right before each call that changes something, and raises to forbid
        it.
        """
        self._engines = engines
        self._require = require

    def at(self, target: Target) -> EngineClient:
        return GuardedClient(self._engines.at(target), self._require)


class GuardedClient:
    """Implements `quiver.ports.engines.EngineClient` over another."""

    def __init__(self, client: EngineClient, require: Callable[[], None]) -> None:
        self._client = client
        self._require = require

    async def version(self) -> str:
        return await self._client.version()

    async def instance(self) -> str | None:
        return await self._client.instance()

    async def list_collections(self) -> frozenset[str]:
        return await self._client.list_collections()

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._client.describe(name)

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._client.count_rows(name, tag)

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._client.describe_index(name)

    async def set_index(self, name: str, index: Index | None) -> None:
        self._require()
        await self._client.set_index(name, index)

    async def create(self, schema: CollectionSchema) -> None:
        self._require()
        await self._client.create(schema)

    async def drop(self, name: str) -> None:
        self._require()
        await self._client.drop(name)

    async def create_partition(self, name: str, tag: str) -> None:
        self._require()
        await self._client.create_partition(name, tag)

    async def drop_partition(self, name: str, tag: str) -> None:
        self._require()
        await self._client.drop_partition(name, tag)
