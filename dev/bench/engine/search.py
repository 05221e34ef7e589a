"""Search on the engine beside FAISS in a process, on the same index, in turns.

The engine builds each index over one segment; FAISS searches what the engine wrote to its file, so
both walk the same lists and graphs. Both use as many OpenMP threads as the machine has cores.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import faiss

from bench.engine import figures
from bench.engine.bare import BareServer
from bench.engine.client import Client
from bench.engine.data import TOPK, Size, clustered, exact, recall
from bench.engine.driving import Timing, drive
from bench.processes import Engine
from quiver_engine.files import index_files
from quiver_engine.files.insert_log import Durability
from quiver_engine.model import Floats, IndexSpec, IndexType, Metric
from quiver_engine.system.memory import Memory
from quiver_proto import milvus_pb2 as pb

COLLECTION = "bench"
BATCH = 10_000
_PART = 100_000
MANY = 16
"""Clients at once."""

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss


Say = Callable[[str], None]


class Kind(NamedTuple):
    type: IndexType
    build: dict[str, int]
    search: dict[str, int]

    def __str__(self) -> str:
        values = [f"{name} {value}" for name, value in (self.build | self.search).items()]
        return " ".join([self.type.name, *values])


IVF, NPROBE = {"nlist": 1024}, {"nprobe": 16}
KINDS = (
    Kind(IndexType.IVF_FLAT, IVF, NPROBE),
    Kind(IndexType.IVF_SQ8, IVF, NPROBE),
    Kind(IndexType.HNSW, {"M": 16, "efConstruction": 200}, {"ef": 64}),
    Kind(IndexType.FLAT, {}, {}),
)


@dataclass(frozen=True)
class Scope:
    """How much to measure: batches of one client, rounds, and the seconds of each side in one.

    `collections` is how many empty ones an engine is filled with.
    """

    batches: Sequence[int] = (1, 10, 100, 1000)
    rounds: int = 5
    seconds: float = 0.5
    collections: int = 4096

    @property
    def settle_s(self) -> float:
        """How long an engine is left alone before its memory is read."""
        return 4 * self.seconds


class Bench:
    """An engine with one data set in it."""

    def __init__(self, directory: Path, size: Size, scope: Scope) -> None:
        self._size, self._scope = size, scope
        self._rows, self._queries = clustered(size)
        self._exact = exact(self._rows, self._queries)
        # What is inserted is not measured here.
        self._engine = Engine(directory, f"{size.rows}-{size.dimension}", "--durability", "os")
        self._client = Client(self._engine.address)
        self._bare = BareServer(directory / "bare", Durability.OS, TOPK)
        self._bare_client = Client(self._bare.address)

    def __enter__(self) -> Self:
        load(self._client, COLLECTION, self._size, self._rows)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()
        self._bare_client.__exit__()
        self._bare.__exit__()
        self._engine.stop()

    def build(self, kind: Kind) -> figures.Index:
        """Build an index; what it finds is held against what there is."""
        begun = time.perf_counter()
        build_index(self._client, COLLECTION, kind.type, kind.build)
        build_s = time.perf_counter() - begun
        found = self._client.find(COLLECTION, self._queries, json.dumps(kind.search))
        share = recall(found, self._exact)
        return figures.Index(str(self._size), str(kind), build_s, share)

    def measure(self, kind: Kind) -> Iterator[figures.Search]:
        """Measure the index that was built last, in every way."""
        search = self._limit(kind)
        for nq in self._scope.batches:
            yield self._compare(kind, search, nq, 1)
        yield self._compare(kind, search, 1, MANY)

    def _limit(self, kind: Kind) -> Callable[[Floats], object]:
        if kind.type is IndexType.FLAT:
            index: Any = faiss.IndexFlatL2(self._size.dimension)
            index.add(self._rows)
            return lambda queries: index.search(queries, TOPK)
        files = (self._engine.data_dir / "segments").glob("*.idx")
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        spec = IndexSpec(kind.type, json.dumps(kind.build))
        file = index_files.load(
            newest, 0, spec, self._size.rows, memory=Memory(), on_damage=lambda _: None
        )
        with file.loaded.use() as loaded:
            built: Any = loaded
        if kind.type is IndexType.HNSW:
            how = _FAISS.SearchParametersHNSW(efSearch=kind.search["ef"])
        else:
            how = _FAISS.SearchParametersIVF(nprobe=kind.search["nprobe"])
        return lambda queries: built.search(queries, TOPK, params=how)

    def _compare(
        self, kind: Kind, search: Callable[[Floats], object], nq: int, threads: int
    ) -> figures.Search:
        batches = self._queries[: len(self._queries) // nq * nq].reshape(
            -1, nq, self._size.dimension
        )
        calls = [partial(search, batch) for batch in batches]
        params, seconds = json.dumps(kind.search), self._scope.seconds
        ours, limits, bares = [], [], []
        for _ in range(self._scope.rounds):
            before = self._engine.cpu_s
            timing = self._client.search(
                COLLECTION, batches, params, threads=threads, seconds=seconds
            )
            ours.append(_Round(timing, self._engine.cpu_s - before))
            before = time.process_time()
            timing = drive(calls, threads, seconds)
            limits.append(_Round(timing, time.process_time() - before))
            bares.append(
                self._bare_client.search(
                    COLLECTION, batches, params, threads=threads, seconds=seconds
                )
            )
        return figures.Search(
            data=str(self._size),
            index=str(kind),
            threads=threads,
            nq=nq,
            engine_qps=nq * _median(r.timing.calls_a_second for r in ours),
            faiss_qps=nq * _median(r.timing.calls_a_second for r in limits),
            share=_median(
                one.timing.calls_a_second / other.timing.calls_a_second
                for one, other in zip(ours, limits, strict=True)
            ),
            engine_latency_ms=1000 * _median(r.timing.latency_s for r in ours),
            faiss_latency_ms=1000 * _median(r.timing.latency_s for r in limits),
            engine_cpu_ms=_median(r.cpu_ms for r in ours) / nq,
            faiss_cpu_ms=_median(r.cpu_ms for r in limits) / nq,
            bare_qps=nq * _median(timing.calls_a_second for timing in bares),
            bare_latency_ms=1000 * _median(timing.latency_s for timing in bares),
        )


def measure(
    directory: Path, size: Size, kinds: Sequence[Kind], scope: Scope, run: figures.Run, say: Say
) -> None:
    """Measure one data set with each index, into `run`."""
    with Bench(directory, size, scope) as bench:
        for kind in kinds:
            run.indexes.append(bench.build(kind))
            say(f"{size}: {kind} built in {run.indexes[-1].build_s:.1f} s")
            for found in bench.measure(kind):
                run.searches.append(found)
                say(
                    f"  {found.threads} clients, nq {found.nq}: {found.share:.2f} of FAISS,"
                    f" {found.engine_qps:.0f} queries a second"
                )


class _Round(NamedTuple):
    timing: Timing
    cpu_s: float

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.timing.calls


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


def load(client: Client, collection: str, size: Size, rows: Floats) -> None:
    """Create a collection and insert the rows."""
    create(client, collection, size)
    for start in range(0, len(rows), _PART):
        client.insert(collection, rows[start : start + _PART], start, BATCH)


def create(client: Client, collection: str, size: Size) -> float:
    """Create a collection whose rows will fit into one segment; return the seconds it took."""
    schema = pb.CollectionSchema(
        collection_name=collection,
        dimension=size.dimension,
        index_file_size=size.index_file_size,
        metric_type=Metric.L2,
    )
    return sum(client.ask("CreateCollection", [schema.SerializeToString()]))


def build_index(client: Client, collection: str, kind: IndexType, build: dict[str, int]) -> None:
    params = pb.KeyValuePair(key="params", value=json.dumps(build))
    request = pb.IndexParam(collection_name=collection, index_type=kind, extra_params=[params])
    client.ask("CreateIndex", [request.SerializeToString()])
