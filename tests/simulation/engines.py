"""The servers that hold collections."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeVar

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.collections import Claim
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Key
from quiver.domain.servers import Server as ServerIdentity
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable
from simulation.trace import Trace
from support.fake_engine import FakeEngine
from support.fake_server import FakeCollection, FakeServer

Answer = TypeVar("Answer")

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
    engine: FakeServer
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
        self.volumes: dict[Home, FakeServer] = {}
        """What pods with storage hold, across their lives."""
        self.asking: list[Callable[[Change], None]] = []
        self.changed: list[Callable[[Change], None]] = []
        self.moved_at: dict[str, float] = {}
        self._trace = trace
        self._now = now
        self._rng = rng

    def start(
        self, address: str, home: Home, engine: FakeServer | None = None, *, tells: bool = True
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

    def at_home(self, home: Home) -> FakeServer | None:
        """Return what serves the member now; None while nothing does."""
        for server in self.servers.values():
            if server.home == home:
                return server.engine
        return None

    def data_of(self, home: Home) -> dict[str, FakeCollection]:
        """Return the member's collections, those on the volume of a pod that is away included."""
        engine = self.at_home(home) or self.volumes.get(home)
        return engine.collections if engine is not None else {}

    def change(self, change: Change, do: Callable[[FakeServer], Answer], address: str) -> Answer:
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

    def engine(self, address: str) -> FakeServer:
        server = self.servers.get(address)
        if server is None or not server.engine.up:
            raise EngineUnreachable(f"{address} cannot be reached: connection refused")
        return server.engine


def _identity(engine: FakeServer) -> str:
    return ServerIdentity("", engine.instance, None).identity


def size_of(engine: FakeServer) -> int:
    """Return how many collections and partitions it holds, `_default` not counted."""
    return sum(len(c.rows) for c in engine.collections.values())


def _told(detail: object) -> str:
    if isinstance(detail, CollectionSchema):
        return f"dimension {detail.dimension}"
    if isinstance(detail, Index):
        return detail.type
    return "" if detail is None else str(detail)
