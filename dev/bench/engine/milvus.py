"""The engine beside Milvus 2.3.5 and milvus-lite 3.2.2, one server at a time, at equal recall.

Each is driven with requests that were made beforehand, over the same library of gRPC. Before each
of the others the engine is measured anew, so that both see the machine in like moods.
"""

import json
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from bench.engine import figures
from bench.engine.client import Client
from bench.engine.data import Size, clustered, exact, recall
from bench.engine.driving import Timing
from bench.engine.insert import FLUSH
from bench.engine.rivals import RIVALS, CannotRun, Driver, Rival
from bench.engine.search import BATCH, COLLECTION, KINDS, Kind, Say, Scope, build_index, create
from bench.processes import Engine
from quiver_engine.model import Ids, IndexType

BATCHES = (1, 1000)
DUELS = [kind for kind in KINDS if kind.type in (IndexType.IVF_FLAT, IndexType.HNSW)]
STEPS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 8.0)
"""What the engine's `nprobe` or `ef` is multiplied with until the other finds as much."""


class Side(Protocol):
    """A server under measurement; raises CannotRun or RuntimeError. Times are in seconds."""

    def start(self) -> float:
        """Start until the first collection is made."""

    def rss_mib(self) -> float: ...

    def load(self) -> tuple[float, float]:
        """Insert and flush; return the times of both."""

    def index(self, kind: Kind) -> tuple[float, float]:
        """Build, and make ready to be searched; return the times of both."""

    def find(self, params: dict[str, int]) -> Ids: ...

    def drive(self, params: dict[str, int], nq: int, seconds: float) -> Timing: ...


class Data:
    """One data set, also in files for those who run in other processes."""

    def __init__(self, directory: Path, size: Size) -> None:
        self.directory, self.size = directory, size
        self.rows, self.queries = clustered(size)
        self.exact = exact(self.rows, self.queries)
        self.rows_path, self.queries_path = directory / "rows.npy", directory / "queries.npy"
        np.save(self.rows_path, self.rows)
        np.save(self.queries_path, self.queries)


class Ours:
    """The engine, as it is by default: inserts are synced."""

    def __init__(self, data: Data, name: str) -> None:
        self._data, self._name = data, name
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> float:
        self._engine = Engine(self._data.directory, self._name)
        self._stack.callback(self._engine.stop)
        self._client = self._stack.enter_context(Client(self._engine.address))
        return self._engine.start_s + create(self._client, COLLECTION, self._data.size)

    def rss_mib(self) -> float:
        return self._engine.rss_mib

    def load(self) -> tuple[float, float]:
        inserted = sum(self._client.insert(COLLECTION, self._data.rows, 0, BATCH))
        return inserted, sum(self._client.ask("Flush", [FLUSH]))

    def index(self, kind: Kind) -> tuple[float, float]:
        begun = time.perf_counter()
        build_index(self._client, COLLECTION, kind.type, kind.build)
        built = time.perf_counter()
        self.find(kind.search)
        return built - begun, time.perf_counter() - built

    def find(self, params: dict[str, int]) -> Ids:
        return self._client.find(COLLECTION, self._data.queries, json.dumps(params))

    def drive(self, params: dict[str, int], nq: int, seconds: float) -> Timing:
        batches = self._data.queries.reshape(-1, nq, self._data.size.dimension)
        return self._client.search(COLLECTION, batches, json.dumps(params), seconds=seconds)


class Theirs(Driver):
    """A rival, through the process that drives it."""

    def __init__(self, rival: Rival, data: Data) -> None:
        folder = data.directory / rival.name.replace(" ", "-")
        folder.mkdir()
        super().__init__(rival, folder)
        self._data = data

    def start(self) -> float:
        return self.start_server(self._data.size.dimension)

    def rss_mib(self) -> float:
        return float(self.do("memory")["rss_mib"])

    def load(self) -> tuple[float, float]:
        taken = self.do("load", rows=str(self._data.rows_path))
        return taken["insert_s"], taken["flush_s"]

    def index(self, kind: Kind) -> tuple[float, float]:
        taken = self.do("index", kind=kind.type.name, params=kind.build)
        return taken["build_s"], taken["load_s"]

    def find(self, params: dict[str, int]) -> Ids:
        found = self.do("find", queries=str(self._data.queries_path), params=params)["ids"]
        return np.array(found, np.int64).reshape(len(self._data.queries), -1)

    def drive(self, params: dict[str, int], nq: int, seconds: float) -> Timing:
        queries = str(self._data.queries_path)
        taken = self.do("drive", queries=queries, params=params, nq=nq, threads=1, seconds=seconds)
        return Timing(**taken)


def measure(directory: Path, size: Size, scope: Scope, say: Say) -> list[figures.Duel]:
    """Measure the engine and each of the others, one after the other."""
    data = Data(directory, size)
    return [_duel(rival, data, scope, say) for rival in RIVALS]


def _duel(rival: Rival, data: Data, scope: Scope, say: Say) -> figures.Duel:
    with Ours(data, f"beside-{rival.name.replace(' ', '-')}") as ours:
        mine = measure_side(ours, data, scope, {})
    say(f"quiver: {mine}")
    try:
        with Theirs(rival, data) as theirs:
            other = measure_side(theirs, data, scope, {s.index: s.recall for s in mine.indexes})
    except CannotRun as error:
        say(f"{rival.name} was not measured: {error}")
        return figures.Duel(str(data.size), rival.name, mine, None, str(error))
    say(f"{rival.name}: {other}")
    return figures.Duel(str(data.size), rival.name, mine, other)


def measure_side(side: Side, data: Data, scope: Scope, recalls: dict[str, float]) -> figures.Side:
    """Measure one server; `recalls` are what each index must find at least."""
    start_s = side.start()
    time.sleep(scope.settle_s)
    idle_mib = side.rss_mib()
    insert_s, flush_s = side.load()
    indexes = [_index(side, kind, data, scope, recalls.get(str(kind), 0.0)) for kind in DUELS]
    return figures.Side(start_s, idle_mib, side.rss_mib(), insert_s, flush_s, indexes)


def _index(side: Side, kind: Kind, data: Data, scope: Scope, least: float) -> figures.SideIndex:
    build_s, load_s = side.index(kind)
    params, found = _tuned(side, kind, data, least)
    ones, batches = (
        [side.drive(params, nq, scope.seconds) for _ in range(scope.rounds)] for nq in BATCHES
    )
    return figures.SideIndex(
        index=str(kind),
        build_s=build_s,
        load_s=load_s,
        search=json.dumps(params),
        recall=found,
        one_ms=1000 * statistics.median(timing.latency_s for timing in ones),
        many_qps=BATCHES[1] * statistics.median(timing.calls_a_second for timing in batches),
    )


def _tuned(side: Side, kind: Kind, data: Data, least: float) -> tuple[dict[str, int], float]:
    """Return the search parameter from which on it finds enough, and what it finds."""
    ((name, value),) = kind.search.items()
    for step in STEPS:
        params = {name: int(value * step)}
        found = recall(side.find(params), data.exact)
        if found >= least:
            break
    return params, found
