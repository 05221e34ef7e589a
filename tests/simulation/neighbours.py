"""One operator in calm weather, a tenant who asks for much, and a neighbour who asks for little."""

import asyncio
import random
from collections.abc import Callable, Iterable
from random import Random

from quiver.domain.conditions import ready_status
from quiver.domain.kubernetes_types import NAMESPACE, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind
from quiver.ports.api import Listing
from quiver.settings import Settings
from simulation.api_server import ApiServer
from simulation.engines import Fleet, Home
from simulation.loop import VirtualLoop
from simulation.processes import NAMESPACE as SYSTEM
from simulation.processes import Process, Surroundings
from simulation.trace import Trace
from simulation.weather import Fate, Weather

ACTOR = "user"
LATE_S = 4.9
"""Just inside the deadline of a call."""
ADDRESS = "10.1.0.1:19530"
HOP_S = 0.01
LOOK_S = 0.005
PATIENCE_S = 3600.0


class Steady(Weather):
    """Each message takes as long as the next."""

    def __init__(self) -> None:
        super().__init__(Random(0))  # noqa: S311 - it is to be foretold
        self.calm = True

    def lag(self) -> float:
        return HOP_S

    def fate(self, now: float, *, api: bool = False) -> Fate:  # noqa: ARG002
        return Fate(HOP_S, HOP_S)


class ListedServer(ApiServer):
    """`listed_at` has the moments at which collections were listed."""

    def __init__(self, now: Callable[[], float], new_uid: Callable[[], str]) -> None:
        super().__init__(now, new_uid)
        self.listed_at: list[float] = []

    def list(self, kind: Kind, selector: str = "") -> Listing:
        if kind == VECTOR_COLLECTION:
            self.listed_at.append(self.now)
        return super().list(kind, selector)


class Neighbourhood:
    """A cluster with the namespace `neighbour`, whose engine answers at once."""

    def __init__(self, loop: VirtualLoop, settings: Settings | None = None) -> None:
        random.seed(0)
        rng, uids = Random(0), Random(0)  # noqa: S311
        self._loop = loop
        self._server = ListedServer(loop.time, lambda: f"{uids.getrandbits(32):08x}")
        trace = Trace()
        self._fleet = Fleet(trace, loop.time, rng)
        self._around = Surroundings(loop, rng, trace, Steady(), self._server, self._fleet)
        self._settings = settings or Settings(namespace=SYSTEM)
        self._numbers = iter(range(1_000_000))
        for name in (SYSTEM, "neighbour"):
            self._make_namespace(name)
        self._make_engine(Key("neighbour", "engine"), ADDRESS)

    def start(self) -> Process:
        """Start an operator."""
        name = f"op-{next(self._numbers)}"
        return Process(self._around, name, self._settings, lambda: None)

    def end(self) -> None:
        """Let no call arrive or return any more."""
        self._around.weather.over = True

    def add_engines(self, namespace: str, count: int, late: float = 0.0) -> list[Key]:
        """Make a namespace with engines that take `late` seconds for each answer."""
        self._make_namespace(namespace)
        engines = []
        for _ in range(count):
            number = next(self._numbers)
            engines.append(Key(namespace, f"engine-{number}"))
            address = f"10.2.{number // 250}.{number % 250}:19530"
            self._make_engine(engines[-1], address, late)
        return engines

    def add_collections(self, engines: Iterable[Key], each: int) -> list[Key]:
        """Make collections in the namespaces of their engines."""
        return [self._make_collection(engine) for engine in engines for _ in range(each)]

    async def one(self) -> float:
        """Make a collection of the neighbour's; return the seconds until it is Ready."""
        begun = self._loop.time()
        await self.ready([self._make_collection(Key("neighbour", "engine"))])
        return self._loop.time() - begun

    async def each_second(self, count: int) -> list[float]:
        """Make a collection of the neighbour's each second; return what `one` says of each."""
        async with asyncio.TaskGroup() as group:
            tasks = []
            for _ in range(count):
                tasks.append(group.create_task(self.one()))
                await asyncio.sleep(1)
        return [task.result() for task in tasks]

    @property
    def listed_at(self) -> list[float]:
        return self._server.listed_at

    async def vanished(self) -> float:
        """Drop all that the neighbour's engine has; return the seconds until it is there again."""
        begun, held = self._loop.time(), self._fleet.servers[ADDRESS].engine.collections
        there = set(held)
        held.clear()
        async with asyncio.timeout(PATIENCE_S):
            while held.keys() < there:  # noqa: ASYNC110 - virtual time costs nothing
                await asyncio.sleep(LOOK_S)
        return self._loop.time() - begun

    async def ready(self, collections: Iterable[Key]) -> None:
        """Wait until all of them are Ready. Raises: TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            for key in collections:
                while not self._is_ready(key):  # noqa: ASYNC110 - virtual time costs nothing
                    await asyncio.sleep(LOOK_S)

    def _is_ready(self, collection: Key) -> bool:
        return ready_status(self._server.get(VECTOR_COLLECTION, collection)) == "True"

    def _make_namespace(self, name: str) -> None:
        metadata = {"name": name, "finalizers": ["kubernetes"]}
        self._server.create(ACTOR, NAMESPACE, {"metadata": metadata})

    def _make_engine(self, key: Key, address: str, late: float = 0.0) -> None:
        self._fleet.start(address, Home("", address)).late = late
        metadata = {"namespace": key.namespace, "name": key.name}
        spec = {"external": {"endpoints": [address]}}
        self._server.create(ACTOR, VECTOR_ENGINE, {"metadata": metadata, "spec": spec})

    def _make_collection(self, engine: Key) -> Key:
        key = Key(engine.namespace, f"c-{next(self._numbers)}")
        metadata = {"namespace": key.namespace, "name": key.name}
        spec = {"engineRef": {"name": engine.name}, "dimension": 8}
        self._server.create(ACTOR, VECTOR_COLLECTION, {"metadata": metadata, "spec": spec})
        return key
