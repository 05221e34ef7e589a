"""Engines beside which somebody else does something, right after they have created a collection."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.ports.engines import EngineClient, Engines


class MeddledEngines:
    """Implements `quiver.ports.engines.Engines` over others. `meddle` is called with the name of
    each collection that was created, before the caller gets the answer.
    """

    def __init__(self, engines: Engines, meddle: Callable[[str], Awaitable[object]]) -> None:
        self._engines = engines
        self._meddle = meddle

    def at(self, target: Target) -> Any:
        return _Meddled(self._engines.at(target), self._meddle)


class _Meddled:
    def __init__(self, client: EngineClient, meddle: Callable[[str], Awaitable[object]]) -> None:
        self._client = client
        self._meddle = meddle

    async def create(self, schema: CollectionSchema, properties: Mapping[str, str]) -> None:
        await self._client.create(schema, properties)
        await self._meddle(schema.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
