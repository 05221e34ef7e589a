"""The servers that hold collections, and a process's way to them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple, TypeVar

from quiver.domain.access import Target
from quiver.domain.collections import (
    Claim,
    CollectionSchema,
    Index,
    ObservedCollection,
    ObservedIndex,
)
from quiver.domain.kubernetes_types import Key
from quiver.domain.servers import Server as ServerIdentity
from quiver.domain.troubles import EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Loads
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable
from simulation.trace import Trace
from simulation.weather import Lost, Mishap, Overloaded, Weather, exchange
from support.fake_engine import FakeEngine
from support.fake_server import FakeCollection

Answer = TypeVar("Answer")

ASK_S = 5.0
CHANGE_S = 30.0
LIMIT = 64
"""Collections and partitions that a server takes; no object of a simulation asks for so many."""


class Home(NamedTuple):
    """What holds collections: a pod of a namespace, or the server of others at an address."""

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
    those that nobody waits for any more included. Each answer is held back for `late` seconds.
    """

    home: Home
    engine: FakeEngine = field(default_factory=FakeEngine)
    free_at: float = 0.0
    late: float = 0.0


class Fleet:
    """All servers by address, who they are, and who wants to know of changes.

    `asking` is told when a process sends a change, `changed` when one has had an effect.
    """

    def __init__(self, trace: Trace, now: Callable[[], float], rng: Random) -> None:
        self.servers: dict[str, Server] = {}
        self.identified: dict[str, Home] = {}
        """Where each data directory is, by what claims call it."""
        self.homes: dict[str, Home] = {}
        self.names: dict[str, str] = {}
        """The address of each name that endpoints have."""
        self.volumes: dict[Home, FakeEngine] = {}
        """What pods with storage hold, across their lives."""
        self.asking: list[Callable[[Change], None]] = []
        self.changed: list[Callable[[Change], None]] = []
        self.moved_at: dict[str, float] = {}
        self._trace = trace
        self._now = now
        self._rng = rng

    def start(
        self, address: str, home: Home, engine: FakeEngine | None = None, *, tells: bool = True
    ) -> Server:
        """Start a server with the data that it had, or with none; `tells` whether it says who it
        is, as Quiver's does.
        """
        server = Server(home, engine or FakeEngine())
        server.engine.up = True  # its data may be of one that was down when its pod went
        self.servers[address] = server
        self.homes[address] = home
        if engine is None and tells:
            self.renew(server)
        return server

    def renew(self, server: Server) -> None:
        """Give the server a data directory of its own."""
        self._trace.add(self._now(), "world", f"a new data directory at {server.home.name}")
        server.engine.instance = f"{self._rng.getrandbits(128):032x}"
        self.identified[_identity(server.engine)] = server.home

    def home_of(self, claim: Claim, engine: Key) -> Home:
        """Return where the collection is that an object which refers to `engine` claims."""
        kind, _, place = (claim.server or "").partition(":")
        if kind == "instance":
            home = self.identified[claim.server or ""]
            return home if self._identity_at(home) == claim.server else Home("lost", place)
        return Home("", place) if kind == "address" else Home(engine.namespace, claim.member)

    def move(self, host: str, address: str) -> None:
        """Have a name lead elsewhere from now on."""
        if self.names[host] != address:
            self._trace.add(self._now(), "user", f"moves {host} to {address}")
            self.names[host], self.moved_at[host] = address, self._now()

    def server_behind(self, endpoint: str) -> Home:
        """Return the server that the endpoint leads to, by the name's present address."""
        host, _, port = endpoint.partition(":")
        return Home("", f"{self.names[host]}:{port}")

    def is_on(self, claim: Claim, home: Home, engine_uid: str) -> bool:
        """Tell whether the claim was made on what is there now."""
        engine = self.at_home(home) or self.volumes.get(home)
        instance = engine.instance if engine is not None else None
        address = None if home.namespace else home.name
        return ServerIdentity(engine_uid, instance, address).is_of(claim)

    def _identity_at(self, home: Home) -> str | None:
        engine = self.at_home(home) or self.volumes.get(home)
        return _identity(engine) if engine is not None else None

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
                raise EngineRefused("UNEXPECTED_ERROR", "the server is full", retriable=True)
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

    @property
    def loads(self) -> Loads | None:
        return None

    async def version(self) -> str:
        return await self._ask(lambda _engine: "1.1.1")

    async def instance(self) -> str | None:
        return await self._ask(lambda engine: engine.instance)

    async def report(self) -> EngineReport:
        return await self._ask(lambda engine: engine.report)

    async def list_collections(self) -> frozenset[str]:
        return await self._ask(lambda engine: frozenset(engine.collections))

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._ask(lambda engine: engine.describe(name))

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._ask(lambda engine: engine.count_rows(name, tag))

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._ask(lambda engine: engine.describe_index(name))

    async def set_index(
        self,
        name: str,
        index: Index | None,
        metric_type: str | None = None,  # noqa: ARG002 - the collection has it
    ) -> None:
        await self._change("set_index", name, index, lambda e: e.set_index(name, index))

    async def search_once(self, schema: CollectionSchema) -> None:
        await self._ask(lambda engine: engine.search_once(schema))

    async def create(
        self,
        schema: CollectionSchema,
        properties: Mapping[str, str] = NO_PROPERTIES,  # noqa: ARG002 - Milvus 1.x has none
    ) -> None:
        await self._change("create", schema.name, schema, lambda e: e.create(schema))

    async def drop(self, name: str) -> None:
        await self._change("drop", name, None, lambda e: e.drop(name))

    async def create_partition(self, name: str, tag: str) -> None:
        await self._change("create_partition", name, tag, lambda e: e.create_partition(name, tag))

    async def drop_partition(self, name: str, tag: str) -> None:
        await self._change("drop_partition", name, tag, lambda e: e.drop_partition(name, tag))

    async def _ask(self, effect: Callable[[FakeEngine], Answer]) -> Answer:
        def asked(_mishap: Mishap) -> Answer:
            engine = self._fleet.engine(self._address)
            engine.check_meant_for(self._meant_for)
            return effect(engine)

        return await self._call(asked, ASK_S)

    async def _change(
        self, call: str, name: str, detail: object, do: Callable[[FakeEngine], None]
    ) -> None:
        now = asyncio.get_running_loop().time()
        home = self._fleet.homes.get(self._address, Home("", self._address))
        change = Change(now, self._actor, home, call, name, detail)
        if not self._weather.over and self._is_meant():
            for observer in self._fleet.asking:
                observer(change)

        def effect(mishap: Mishap) -> None:
            self._fleet.engine(self._address).check_meant_for(self._meant_for)
            actor = f"{self._actor}?" if mishap == "unanswered" else self._actor
            home = self._fleet.homes[self._address]
            self._fleet.change(change._replace(actor=actor, home=home), do, self._address)

        await self._call(effect, CHANGE_S)

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


def _identity(engine: FakeEngine) -> str:
    return ServerIdentity("", engine.instance, None).identity


def size_of(engine: FakeEngine) -> int:
    """Return how many collections and partitions it holds, `_default` not counted."""
    return sum(len(c.rows) for c in engine.collections.values())


def _told(detail: object) -> str:
    if isinstance(detail, CollectionSchema):
        return f"dimension {detail.dimension}"
    if isinstance(detail, Index):
        return detail.type
    return "" if detail is None else str(detail)
