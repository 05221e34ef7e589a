"""The servers that hold collections, and a process's way to them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from fakes.engine import FakeCollection, FakeEngine
from quiver.domain.access import ClientTls
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable
from simulation.trace import Trace
from simulation.weather import Lost, Mishap, Overloaded, Weather, exchange

Answer = TypeVar("Answer")

ASK_S = 5.0
CHANGE_S = 30.0
LIMIT = 64
"""Collections and partitions that a server takes; no object of a simulation asks for so many."""


class Home(NamedTuple):
    """What a claim's member means: an endpoint, or a pod of a namespace."""

    namespace: str
    name: str


class Change(NamedTuple):
    """A call that changes something; `detail` is its schema, tag or index."""

    at: float
    actor: str
    home: Home
    call: str
    name: str
    detail: object


@dataclass
class Server:
    """One engine process behind one address.

    `free_at` is when it gets to the next call: calls take effect in the order in which they came,
    those that nobody waits for any more included.
    """

    home: Home
    engine: FakeEngine = field(default_factory=FakeEngine)
    free_at: float = 0.0


class Fleet:
    """All servers by address, and who wants to know of changes.

    `asking` is told when a process sends a change, `changed` when one has had an effect.
    """

    def __init__(self, trace: Trace, now: Callable[[], float]) -> None:
        self.servers: dict[str, Server] = {}
        self.homes: dict[str, Home] = {}
        self.volumes: dict[Home, FakeEngine] = {}
        """What pods with storage hold, across their lives."""
        self.asking: list[Callable[[Change], None]] = []
        self.changed: list[Callable[[Change], None]] = []
        self._trace = trace
        self._now = now

    def start(self, address: str, home: Home, engine: FakeEngine | None = None) -> Server:
        server = Server(home, engine or FakeEngine())
        self.servers[address] = server
        self.homes[address] = home
        return server

    def stop(self, address: str) -> None:
        self.servers.pop(address, None)

    def at_home(self, home: Home) -> FakeEngine | None:
        """Return what serves the member now; None while nothing does."""
        for server in self.servers.values():
            if server.home == home:
                return server.engine
        return None

    def data_of(self, home: Home) -> dict[str, FakeCollection]:
        """Return the member's collections, those on the volume of a pod that is away included."""
        engine = self.at_home(home) or self.volumes.get(home)
        return engine.collections if engine is not None else {}

    def change(self, change: Change, do: Callable[[FakeEngine], Answer], address: str) -> Answer:
        """Have a server carry out a change, and tell of it.

        Raises: EngineRefused; EngineUnreachable where no server runs at the address.
        """
        outcome = ""
        try:
            engine = self.engine(address)
            if change.call in ("create", "create_partition") and size_of(engine) >= LIMIT:
                raise EngineRefused("UNEXPECTED_ERROR", "the server is full")
            answer = do(engine)
        except EngineError as error:
            outcome = str(error)
            raise
        finally:
            told = f"{change.call} {change.name} at {change.home.name} {_told(change.detail)}"
            self._trace.add(self._now(), change.actor, told.rstrip(), outcome)
        for observer in self.changed:
            observer(change._replace(at=self._now()))
        return answer

    def engine(self, address: str) -> FakeEngine:
        server = self.servers.get(address)
        if server is None or not server.engine.up:
            raise EngineUnreachable(f"{address} cannot be reached: connection refused")
        return server.engine


class ModelEngines:
    """Implements `quiver.ports.engines.Engines` for one process."""

    def __init__(self, fleet: Fleet, weather: Weather, actor: str) -> None:
        self.fleet = fleet
        self.weather = weather
        self.actor = actor

    def at(self, address: str, _tls: ClientTls | None = None) -> EngineClient:
        return ModelEngineClient(self, address)


class ModelEngineClient:
    """Implements `quiver.ports.engines.EngineClient` for one address."""

    def __init__(self, engines: ModelEngines, address: str) -> None:
        self._fleet = engines.fleet
        self._weather = engines.weather
        self._actor = engines.actor
        self._address = address

    async def version(self) -> str:
        return await self._ask(lambda _engine: "1.1.1")

    async def list_collections(self) -> frozenset[str]:
        return await self._ask(lambda engine: frozenset(engine.collections))

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._ask(lambda engine: engine.describe(name))

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._ask(lambda engine: engine.count_rows(name, tag))

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._ask(lambda engine: engine.describe_index(name))

    async def set_index(self, name: str, index: Index | None) -> None:
        await self._change("set_index", name, index, lambda e: e.set_index(name, index))

    async def create(self, schema: CollectionSchema) -> None:
        await self._change("create", schema.name, schema, lambda e: e.create(schema))

    async def drop(self, name: str) -> None:
        await self._change("drop", name, None, lambda e: e.drop(name))

    async def create_partition(self, name: str, tag: str) -> None:
        await self._change("create_partition", name, tag, lambda e: e.create_partition(name, tag))

    async def drop_partition(self, name: str, tag: str) -> None:
        await self._change("drop_partition", name, tag, lambda e: e.drop_partition(name, tag))

    async def _ask(self, effect: Callable[[FakeEngine], Answer]) -> Answer:
        return await self._call(lambda _mishap: effect(self._fleet.engine(self._address)), ASK_S)

    async def _change(
        self, call: str, name: str, detail: object, do: Callable[[FakeEngine], None]
    ) -> None:
        now = asyncio.get_running_loop().time()
        home = self._fleet.homes.get(self._address, Home("", self._address))
        change = Change(now, self._actor, home, call, name, detail)
        if not self._weather.over:
            for observer in self._fleet.asking:
                observer(change)

        def effect(mishap: Mishap) -> None:
            actor = f"{self._actor}?" if mishap == "unanswered" else self._actor
            self._fleet.change(change._replace(actor=actor), do, self._address)

        await self._call(effect, CHANGE_S)

    async def _call(self, effect: Callable[[Mishap], Answer], deadline: float) -> Answer:
        if self._weather.over:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time()
        fate = self._weather.fate(now)
        server = self._fleet.servers.get(self._address)
        if server is not None:
            server.free_at = max(now + fate.there, server.free_at)
        free_at = server.free_at if server is not None else 0.0
        try:
            return await exchange(
                lambda: effect(fate.mishap), fate, deadline=deadline, arrive_at=free_at
            )
        except Lost as error:
            raise EngineUnreachable(f"{self._address}: {error}") from error
        except Overloaded as error:
            raise EngineRefused("UNEXPECTED_ERROR", str(error)) from error


def size_of(engine: FakeEngine) -> int:
    """Return how many collections and partitions it holds, `_default` not counted."""
    return sum(len(c.rows) for c in engine.collections.values())


def _told(detail: object) -> str:
    if isinstance(detail, CollectionSchema):
        return f"dimension {detail.dimension}"
    if isinstance(detail, Index):
        return detail.type
    return "" if detail is None else str(detail)
