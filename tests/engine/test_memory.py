"""What an engine with little memory does, and how much it takes."""

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids

Connect = Callable[[EngineProcess], Milvus1]


def held_bytes(process: EngineProcess) -> int:
    lines = process.get("/metrics")[1].splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("quiver_engine_memory_bytes "))
    return int(float(value))


def test_a_collection_larger_than_the_budget_is_searched_all_the_same(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Segments and indexes take turns in memory; a drop gives all of it back."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "3Mi"))
    rows = np.random.default_rng(1).normal(size=(20_000, 64)).astype(np.float32)
    client.create("large", dimension=64, index_file_size=1)
    client.insert("large", rows, range(20_000))
    client.flush("large")
    np.testing.assert_array_equal(
        found_ids(client.search("large", rows[::500])).ravel(), range(0, 20_000, 500)
    )
    assert 0 < held_bytes(own_engine) <= 3 << 20
    assert client.create_index("large", 2, '{"nlist": 16}').error_code == pb.SUCCESS
    for _ in range(2):
        found = found_ids(client.search("large", rows[::500], params='{"nprobe": 16}'))
        np.testing.assert_array_equal(found.ravel(), range(0, 20_000, 500))
        assert 0 < held_bytes(own_engine) <= 3 << 20
    client.drop("large")
    assert held_bytes(own_engine) == 0


def test_a_segment_that_cannot_fit_is_refused(own_engine: EngineProcess, connect: Connect) -> None:
    """Search, Preload and CreateIndex of it are refused with numbers; others go on."""
    own_engine.stop()
    client = connect(own_engine.start("--memory", "1000000"))
    rows = np.random.default_rng(1).normal(size=(5000, 64)).astype(np.float32)
    client.create("big", dimension=64)
    client.insert("big", rows)
    client.insert("big", rows[:10])
    client.create("small", dimension=64)
    client.insert("small", rows[:10], range(10))
    client.flush()
    result = client.search("big", rows[:1])
    assert result.status.error_code == pb.OUT_OF_MEMORY
    assert "a segment of 5010 rows takes 1.3 MiB" in result.status.reason
    whole = pb.PreloadCollectionParam(collection_name="big")
    assert client.stub.PreloadCollection(whole).error_code == pb.OUT_OF_MEMORY
    status = client.create_index("big", 2, '{"nlist": 16}')
    assert status.error_code == pb.BUILD_INDEX_ERROR
    assert "takes 1.3 MiB" in status.reason
    assert found_ids(client.search("small", rows[3:4])).tolist() == [[3]]


def test_inserts_use_memory_again_that_earlier_ones_had(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """The kernel gives an insert fewer fresh pages than the insert has itself."""
    client = connect(own_engine)
    client.create("fed", dimension=128)
    rows = np.ones((10_000, 128), np.float32)

    def pages_per_insert() -> float:
        before = fresh_pages(own_engine.pid)
        for _ in range(5):
            client.insert("fed", rows, range(len(rows)))
        return (fresh_pages(own_engine.pid) - before) / 5

    own_pages = rows.nbytes / resource.getpagesize()
    assert min(pages_per_insert() for _ in range(6)) < own_pages


def fresh_pages(pid: int) -> int:
    """Return how many pages the kernel has given a process (minflt of proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7])
