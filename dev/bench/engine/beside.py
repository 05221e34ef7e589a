"""Searches while something else goes on: how much longer the slowest of them take.

A client searches for one vector every few milliseconds, another one does the rest to other
collections of the engine. Each turn begins with a quiet time, which the busy one is held against.
"""

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.engine import figures
from bench.engine.client import Client
from bench.engine.data import Size, clustered, insert_request
from bench.engine.search import COLLECTION, KINDS, Say, Scope, build_index, create, load
from bench.processes import Engine
from quiver_engine.model import Floats, IndexType
from quiver_proto import milvus_pb2 as pb

PAUSE_S = 0.002
TIMES_AS_LONG = 8
"""A p99 takes more searches than a median."""
SMALL, LARGE = 1000, 10_000
OTHER = "other"
GRAPH = next(kind for kind in KINDS if kind.type is IndexType.HNSW)

Calls = Sequence[tuple[str, bytes]]


class Work(NamedTuple):
    """What goes on beside the searches: calls made over and over, with a pause after each."""

    what: str
    calls: Calls
    pause_s: float = 0.0


def measure(directory: Path, size: Size, scope: Scope, say: Say) -> list[figures.Beside]:
    """Search a graph over all rows, beside each kind of work in turn."""
    rows, queries = clustered(size)
    engine = Engine(directory, "beside", "--durability", "os")
    with ExitStack() as open_ones:
        open_ones.callback(engine.stop)
        client, other = (open_ones.enter_context(Client(engine.address)) for _ in range(2))
        load(client, COLLECTION, size, rows)
        build_index(client, COLLECTION, GRAPH.type, GRAPH.build)
        found = []
        for work in _works(rows):
            create(other, OTHER, Size(4 * LARGE, size.dimension))
            other.ask("Insert", [_insert(rows[:LARGE], start) for start in (0, LARGE)])
            found.append(_compare(client, other, work, queries, scope))
            other.ask("DropCollection", [_name()])
            say(f"searches beside {work.what}: p99 {found[-1].times:.1f} of the quiet one")
    return found


def _works(rows: Floats) -> Iterator[Work]:
    yield Work("5,000 rows a second, 500 in a call", [("Insert", _insert(rows[:500]))], 0.1)
    yield Work("inserts of 10,000 rows, one after the other", [("Insert", _insert(rows[:LARGE]))])
    build = pb.IndexParam(
        collection_name=OTHER,
        index_type=GRAPH.type,
        extra_params=[pb.KeyValuePair(key="params", value=json.dumps(GRAPH.build))],
    )
    drop = ("DropIndex", _name())
    yield Work("builds of HNSW", [("CreateIndex", build.SerializeToString()), drop])
    flush = ("Flush", pb.FlushParam(collection_name_array=[OTHER]).SerializeToString())
    yield Work("flushes and merges", [("Insert", _insert(rows[:SMALL])), flush])
    delete = pb.DeleteByIDParam(collection_name=OTHER, id_array=range(0, 2 * LARGE, 5))
    fill = ("Insert", _insert(rows[:LARGE]))
    gone = ("DeleteByID", delete.SerializeToString())
    yield Work("deletes and compactions", [fill, flush, gone, flush, ("Compact", _name())])


def _insert(rows: Floats, first_id: int = 0) -> bytes:
    return insert_request(OTHER, rows, np.arange(first_id, first_id + len(rows)))


def _name() -> bytes:
    return pb.CollectionName(collection_name=OTHER).SerializeToString()


def _compare(
    client: Client, other: Client, work: Work, queries: Floats, scope: Scope
) -> figures.Beside:
    seconds, params = TIMES_AS_LONG * scope.seconds, json.dumps(GRAPH.search)
    quiet, busy = [], []

    def searched() -> _Percentiles:
        taken = client.search_now_and_then(
            COLLECTION, queries, params, pause_s=PAUSE_S, seconds=seconds
        )
        return _percentiles(taken)

    for _ in range(scope.rounds):
        quiet.append(searched())
        other.repeat(work.calls, work.pause_s, seconds)
        busy.append(searched())
        other.finish()
    return figures.Beside(
        what=work.what,
        quiet_p50_ms=statistics.median(one.p50_ms for one in quiet),
        quiet_p99_ms=statistics.median(one.p99_ms for one in quiet),
        p50_ms=statistics.median(one.p50_ms for one in busy),
        p99_ms=statistics.median(one.p99_ms for one in busy),
        times=statistics.median(
            one.p99_ms / before.p99_ms for one, before in zip(busy, quiet, strict=True)
        ),
    )


class _Percentiles(NamedTuple):
    p50_ms: float
    p99_ms: float


def _percentiles(seconds: Sequence[float]) -> _Percentiles:
    p50, p99 = np.percentile(seconds, [50, 99])
    return _Percentiles(1000 * float(p50), 1000 * float(p99))
