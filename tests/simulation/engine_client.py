"""A process's way to the servers that hold collections."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Fields, Loads
from quiver.ports.errors import EngineRefused, EngineUnreachable
from simulation.engines import Change, Fleet, Home
from simulation.milvus_calls import ModelFields, ModelLoads
from simulation.weather import Lost, Mishap, Overloaded, Weather, exchange
from support.fake_milvus import FakeMilvus
from support.fake_server import FakeServer

Answer = TypeVar("Answer")

ASK_S = 5.0
CHANGE_S = 30.0


class ModelEngines:
    """Implements `quiver.ports.engines.Engines` for one process."""

    def __init__(self, fleet: Fleet, weather: Weather, actor: str) -> None:
        self.fleet = fleet
        self.weather = weather
        self.actor = actor

    def at(self, target: Target) -> EngineClient:
        return ModelEngineClient(self, target)


class ModelEngineClient:
    """Implements `quiver.ports.engines.EngineClient` for one target."""

    def __init__(self, engines: ModelEngines, target: Target) -> None:
        self._fleet = engines.fleet
        self._weather = engines.weather
        self._actor = engines.actor
        self._address = target.address
        self._meant_for = target.instance
        self._login = target.login
        self._is_milvus = target.type == "Milvus"

    @property
    def fields(self) -> Fields | None:
        return ModelFields(self._ask_milvus, self._change_milvus) if self._is_milvus else None

    @property
    def loads(self) -> Loads | None:
        return ModelLoads(self._ask_milvus, self._change_milvus) if self._is_milvus else None

    async def version(self) -> str:
        return await self._ask(lambda engine: engine.told_version)

    async def instance(self) -> str | None:
        return await self._ask(lambda engine: engine.instance)

    async def report(self) -> EngineReport:
        return await self._ask(lambda engine: engine.report)

    async def list_collections(self) -> frozenset[str]:
        return await self._ask(lambda engine: engine.list_collections())

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._ask(lambda engine: engine.describe(name))

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._ask(lambda engine: engine.count_rows(name, tag))

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._ask(lambda engine: engine.describe_index(name))

    async def set_index(
        self, name: str, index: Index | None, metric_type: str | None = None
    ) -> None:
        await self._change(
            "set_index", name, index, lambda e: e.set_index(name, index, metric_type)
        )

    async def search_once(self, schema: CollectionSchema) -> None:
        await self._ask(lambda engine: engine.search_once(schema))

    async def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        await self._change("create", schema.name, schema, lambda e: e.create(schema, properties))

    async def drop(self, name: str) -> None:
        await self._change("drop", name, None, lambda e: e.drop(name))

    async def create_partition(self, name: str, tag: str) -> None:
        await self._change("create_partition", name, tag, lambda e: e.create_partition(name, tag))

    async def drop_partition(self, name: str, tag: str) -> None:
        await self._change("drop_partition", name, tag, lambda e: e.drop_partition(name, tag))

    async def _ask(self, effect: Callable[[FakeServer], Answer]) -> Answer:
        def asked(_mishap: Mishap) -> Answer:
            return effect(self._checked(""))

        return await self._call(asked, ASK_S)

    async def _change(
        self, call: str, name: str, detail: object, do: Callable[[FakeServer], None]
    ) -> None:
        now = asyncio.get_running_loop().time()
        home = self._fleet.homes.get(self._address, Home("", self._address))
        change = Change(now, self._actor, home, call, name, detail)
        if not self._weather.over and self._is_meant():
            for observer in self._fleet.asking:
                observer(change)

        def effect(mishap: Mishap) -> None:
            self._checked(call)
            actor = f"{self._actor}?" if mishap == "unanswered" else self._actor
            home = self._fleet.homes[self._address]
            self._fleet.change(change._replace(actor=actor, home=home), do, self._address)

        await self._call(effect, CHANGE_S)

    async def _ask_milvus(self, effect: Callable[[FakeMilvus], Answer]) -> Answer:
        return await self._ask(lambda engine: effect(_milvus(engine)))

    async def _change_milvus(
        self, call: str, name: str, detail: object, do: Callable[[FakeMilvus], None]
    ) -> None:
        await self._change(call, name, detail, lambda engine: do(_milvus(engine)))

    def _checked(self, call: str) -> FakeServer:
        engine = self._fleet.engine(self._address)
        engine.check(call, self._meant_for, self._login)
        return engine

    def _is_meant(self) -> bool:
        """Tell whether the call can do anything at all: another engine will refuse it."""
        server = self._fleet.servers.get(self._address)
        if self._meant_for is None:
            return True
        return server is not None and server.engine.instance in (None, self._meant_for)

    async def _call(self, effect: Callable[[Mishap], Answer], deadline: float) -> Answer:
        if self._weather.over:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time()
        fate = self._weather.fate(now)
        server = self._fleet.servers.get(self._address)
        if server is not None:
            server.free_at = max(now + fate.there, server.free_at)
            fate = replace(fate, back=fate.back + server.late)
        free_at = server.free_at if server is not None else 0.0
        try:
            return await exchange(
                lambda: effect(fate.mishap), fate, deadline=deadline, arrive_at=free_at
            )
        except Lost as error:
            raise EngineUnreachable(f"{self._address}: {error}") from error
        except Overloaded as error:
            raise EngineRefused("UNEXPECTED_ERROR", str(error), retriable=True) from error


def _milvus(engine: FakeServer) -> FakeMilvus:
    if not isinstance(engine, FakeMilvus):
        raise EngineRefused("UNIMPLEMENTED", "it does not speak the protocol of Milvus 2.x")
    return engine
