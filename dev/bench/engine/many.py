"""What 4,096 collections cost: memory, and whether a call takes longer than with one."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.engine import figures
from bench.engine.client import Client
from bench.engine.data import insert_request, search_request
from bench.engine.search import Say, Scope
from bench.processes import Engine
from quiver_proto import milvus_pb2 as pb

DIMENSION = 128
CALLS = 20
"""Calls of a kind in a turn."""
FREE = 1
"""Collections left out of the limit, for those that are made and dropped while it is measured."""


def measure(directory: Path, scope: Scope, say: Say) -> figures.Many:
    """Fill an engine with empty collections, then make each call on it and on one with one."""
    count = scope.collections
    lone, full = Engine(directory, "lone"), Engine(directory, "full")
    try:
        with Client(lone.address) as one, Client(full.address) as many:
            one.ask("CreateCollection", [_schema("c0")])
            begun = time.perf_counter()
            many.ask("CreateCollection", [_schema(f"c{i}") for i in range(count - FREE)])
            created_s = time.perf_counter() - begun
            time.sleep(scope.settle_s)
            held, before = full.rss_mib, full.cpu_s
            time.sleep(scope.settle_s)
            idle_cpu_ms = 1000 * (full.cpu_s - before) / scope.settle_s
            say(f"{count} collections: made in {created_s:.1f} s, {held:.0f} MiB")
            calls = [_compare(one, many, scope.rounds, *call) for call in _requests()]
            calls += _changes(one, many, scope.rounds)
    finally:
        lone.stop()
        full.stop()
    again = Engine(directory, "full")
    again.stop()
    for call in calls:
        say(f"  {call.rpc}: {call.many_ms:.2f} ms, {call.one_ms:.2f} ms with one")
    return figures.Many(count, created_s, held, idle_cpu_ms, again.start_s, calls)


def _requests() -> Iterator[tuple[str, bytes]]:
    """Yield every call that can be made again and again."""
    row, ids = np.ones((1, DIMENSION), np.float32), np.array([1])
    yield "Insert", insert_request("c0", row, ids)
    yield "Flush", pb.FlushParam(collection_name_array=["c0"]).SerializeToString()
    yield "Search", search_request("c0", row, "{}")
    wanted = pb.VectorsIdentity(collection_name="c0", id_array=[1])
    yield "GetVectorsByID", wanted.SerializeToString()
    name = pb.CollectionName(collection_name="c0").SerializeToString()
    for rpc in ("HasCollection", "DescribeCollection", "CountCollection", "ShowCollectionInfo"):
        yield rpc, name
    for rpc in ("ShowPartitions", "DescribeIndex", "DropIndex", "Compact", "PreloadCollection"):
        yield rpc, name
    yield "HasPartition", pb.PartitionParam(collection_name="c0", tag="t").SerializeToString()
    deleted = pb.DeleteByIDParam(collection_name="c0", id_array=[5])
    yield "DeleteByID", deleted.SerializeToString()
    yield "CreateIndex", pb.IndexParam(collection_name="c0", index_type=1).SerializeToString()
    yield "Cmd", pb.Command(cmd="version").SerializeToString()
    yield "ShowCollections", pb.Command().SerializeToString()


def _compare(one: Client, many: Client, rounds: int, rpc: str, request: bytes) -> figures.Call:
    alone, among = [], []
    for _ in range(rounds):
        alone += one.ask(rpc, [request] * CALLS)
        among += many.ask(rpc, [request] * CALLS)
    return _call(rpc, alone, among)


def _changes(one: Client, many: Client, rounds: int) -> list[figures.Call]:
    """Make and drop a collection and a partition, in turns."""
    partition = pb.PartitionParam(collection_name="c0", tag="t").SerializeToString()
    dropped = pb.CollectionName(collection_name="new").SerializeToString()
    pairs = {
        "CreateCollection": _schema("new"),
        "DropCollection": dropped,
        "CreatePartition": partition,
        "DropPartition": partition,
    }
    taken: dict[str, tuple[list[float], list[float]]] = {rpc: ([], []) for rpc in pairs}
    for _ in range(CALLS // 5 * rounds):
        for rpc, request in pairs.items():
            taken[rpc][0].extend(one.ask(rpc, [request]))
            taken[rpc][1].extend(many.ask(rpc, [request]))
    return [_call(rpc, *both) for rpc, both in taken.items()]


def _call(rpc: str, alone: list[float], among: list[float]) -> figures.Call:
    return figures.Call(rpc, 1000 * statistics.median(alone), 1000 * statistics.median(among))


def _schema(name: str) -> bytes:
    schema = pb.CollectionSchema(
        collection_name=name, dimension=DIMENSION, index_file_size=1024, metric_type=1
    )
    return schema.SerializeToString()
