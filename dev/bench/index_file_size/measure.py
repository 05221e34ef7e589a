"""Measures one index_file_size on Quiver's engine, without the network."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.index_file_size.data import DIMENSION, TOPK, Data, Plan
from bench.recall import recall
from quiver_engine.compute.devices import Cpu
from quiver_engine.compute.search import Asked, search
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import (
    Floats,
    IndexSpec,
    IndexState,
    IndexType,
    InsertBatch,
    Metric,
    Rows,
    Schema,
)
from quiver_engine.store.collection import Collection
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.system.memory import Memory

BATCH = 100
ROUNDS = 7
FLAT_ROUNDS = 3
ROWS_OF_AN_INSERT = 2**14
FLAT = IndexSpec(IndexType.FLAT, "{}")
CPU = Cpu(Memory())


@dataclass(frozen=True)
class Search:
    """CPU milliseconds of a query that is searched alone, and in a batch."""

    one_ms: float
    batch_ms: float
    recall: float


@dataclass(frozen=True)
class Figures:
    """What one index_file_size comes to. `searches` has an entry for each nprobe of the plan."""

    size_mb: int
    segments: int
    build_s: float
    """CPU seconds."""
    index_mb: float
    largest_mb: float
    """The largest index file: what has to fit into memory at once."""
    searches: list[Search]
    flat: Search | None


def measure(directory: Path, size_mb: int, plan: Plan, data: Data) -> Figures:
    store = Store(directory / "data")
    log = InsertLog(store.directory.log_path, Durability.OS)
    writer = Writer(store, log)
    indexing = Indexing(store, writer)
    store.create_collection(Schema("c", DIMENSION, size_mb, Metric.L2))
    collection = store.collection("c")
    for start in range(0, len(data.rows), ROWS_OF_AN_INSERT):
        vectors = data.rows[start : start + ROWS_OF_AN_INSERT]
        ids = np.arange(start, start + len(vectors))
        writer.insert(InsertBatch("c", "_default", Rows.of(vectors), ids))
    index = IndexSpec(IndexType.IVF_SQ8, f'{{"nlist": {plan.nlist}}}')
    store.set_index(collection, lambda _: IndexState(index, requested=True))
    started = time.process_time()
    indexing.work()
    build_s = time.process_time() - started
    searches = [_searches(collection, index, {"nprobe": n}, data) for n in plan.nprobes]
    figures = Figures(
        size_mb=size_mb,
        segments=len(collection.segments),
        build_s=build_s,
        index_mb=store.directory.memory.held_bytes / 2**20,
        largest_mb=max(s.index.disk_bytes for s in collection.segments if s.index) / 2**20,
        searches=searches,
        flat=_flat_searches(collection, plan, data) if plan.flat_queries else None,
    )
    log.close(is_flushed=True)
    store.close()
    return figures


def _flat_searches(collection: Collection, plan: Plan, data: Data) -> Search:
    few = Data(data.rows, data.queries[: plan.flat_queries], data.exact[: plan.flat_queries])
    return _searches(collection, FLAT, {}, few, FLAT_ROUNDS)


def _searches(
    collection: Collection,
    index: IndexSpec,
    params: dict[str, int],
    data: Data,
    rounds: int = ROUNDS,
) -> Search:
    def find(queries: Floats) -> npt.NDArray[np.int64]:
        asked = Asked(queries, TOPK, Metric.L2, index, params)
        return search(collection.segments, asked, CPU.nearest, lambda: True)[0]

    def cpu_ms(batches: list[Floats]) -> float:
        """Return the least CPU time of a few rounds, for each query."""
        return 1000 * min(one_round(batches) for _ in range(rounds)) / len(data.queries)

    def one_round(batches: list[Floats]) -> float:
        before = time.process_time()
        for batch in batches:
            find(batch)
        return time.process_time() - before

    alone = [query[None] for query in data.queries]
    found = np.concatenate([find(query) for query in alone])
    batches = np.split(data.queries, max(1, len(data.queries) // BATCH))
    return Search(cpu_ms(alone), cpu_ms(batches), recall(found, data.exact))
