"""Counts and times calls to engines, whatever protocol they speak."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from quiver.control.observe.metrics import Metrics
from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import EngineRefused, EngineUnreachable, WrongEngine


class MeasuredEngines:
    """Implements `quiver.ports.engines.Engines` over another."""

    def __init__(self, engines: Engines, metrics: Metrics) -> None:
        self._engines = engines
        self._metrics = metrics

    def at(self, target: Target) -> EngineClient:
        return MeasuredClient(self._engines.at(target), self._metrics)


class MeasuredClient:
    """Implements `quiver.ports.engines.EngineClient` over another."""

    def __init__(self, client: EngineClient, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics

    async def version(self) -> str:
        with self._measured("version"):
            return await self._client.version()

    async def instance(self) -> str | None:
        with self._measured("instance"):
            return await self._client.instance()

    async def list_collections(self) -> frozenset[str]:
        with self._measured("list_collections"):
            return await self._client.list_collections()

    async def describe(self, name: str) -> ObservedCollection | None:
        with self._measured("describe"):
            return await self._client.describe(name)

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        with self._measured("count_rows"):
            return await self._client.count_rows(name, tag)

    async def describe_index(self, name: str) -> ObservedIndex:
        with self._measured("describe_index"):
            return await self._client.describe_index(name)

    async def set_index(self, name: str, index: Index | None) -> None:
        with self._measured("set_index"):
            await self._client.set_index(name, index)

    async def create(self, schema: CollectionSchema) -> None:
        with self._measured("create"):
            await self._client.create(schema)

    async def drop(self, name: str) -> None:
        with self._measured("drop"):
            await self._client.drop(name)

    async def create_partition(self, name: str, tag: str) -> None:
        with self._measured("create_partition"):
            await self._client.create_partition(name, tag)

    async def drop_partition(self, name: str, tag: str) -> None:
        with self._measured("drop_partition"):
            await self._client.drop_partition(name, tag)

    @contextmanager
    def _measured(self, call: str) -> Iterator[None]:
        started, code = time.perf_counter(), "OK"
        try:
            yield
        except EngineRefused as error:
            code = error.code
            raise
        except EngineUnreachable:
            code = "UNREACHABLE"
            raise
        except WrongEngine:
            code = "WRONG_ENGINE"
            raise
        except BaseException:
            code = "ABANDONED"
            raise
        finally:
            self._metrics.count_engine_call(call, code, time.perf_counter() - started)
