"""What hurt users of Milvus 1.x and must not hurt here.

That a name is free right after its drop stands in test_collections, that a build blocks nobody in
test_indexes, that segments have the size of index_file_size in test_durability.
"""

from collections.abc import Callable

import numpy as np

from machine.engine_process import EngineProcess
from quiver_engine.model import MIB
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
DEADLINE_S = 30.0


def resident_bytes(process: EngineProcess) -> int:
    return process.usage.memory_info().rss


def written_bytes(process: EngineProcess) -> int:
    return process.usage.io_counters().write_chars


def test_memory_comes_back_after_a_drop(own_engine: EngineProcess, connect: Connect) -> None:
    """What a searched collection and its index held is the operating system's again soon after."""
    client = connect(own_engine)
    rows = np.random.default_rng(1).normal(size=(60_000, 128)).astype(np.float32)

    def fill_and_search() -> int:
        client.create("held", dimension=128)
        client.insert("held", rows, range(len(rows)))
        client.flush("held")
        assert found_ids(client.search("held", rows[:1])).tolist() == [[0]]
        assert client.create_index("held", 2, '{"nlist": 16}').error_code == pb.SUCCESS
        assert found_ids(client.search("held", rows[:1], params='{"nprobe": 1}')).tolist() == [[0]]
        return resident_bytes(own_engine)

    before = resident_bytes(own_engine)
    held = fill_and_search()
    assert held - before > rows.nbytes
    client.drop("held")
    wait_until(
        lambda: resident_bytes(own_engine) - before < rows.nbytes,
        lambda: f"{resident_bytes(own_engine) - before} bytes more are held than before",
        DEADLINE_S,
    )


def test_a_huge_index_file_size_costs_neither_memory_nor_rewrites(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """With the largest index_file_size, 12 MiB in 48 flushes are written at most six times over."""
    client = connect(own_engine)
    rows = np.random.default_rng(1).normal(size=(24_000, 128)).astype(np.float32)
    client.create("huge", dimension=128, index_file_size=131_072)
    client.insert("huge", rows[:1], [0])
    client.flush("huge")
    memory, written = resident_bytes(own_engine), written_bytes(own_engine)
    for start in range(0, len(rows), 500):
        client.insert("huge", rows[start : start + 500], range(start, start + 500))
        client.flush("huge")
    wait_until(lambda: len(client.segments("huge")) <= 12, "segments are merged", DEADLINE_S)
    assert written_bytes(own_engine) - written < 6 * rows.nbytes
    assert resident_bytes(own_engine) - memory < rows.nbytes + 64 * MIB
