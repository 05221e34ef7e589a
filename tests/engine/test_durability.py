"""What survives: restarts, `kill -9` at any moment, and a drain."""

import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]


def vectors(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def segment_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "segments").iterdir())


def test_a_restart_keeps_everything(own_engine: EngineProcess, connect: Connect) -> None:
    """Collections, partitions, rows, their ids and their kind of ids are there after a restart."""
    client, rows = connect(own_engine), vectors(50, 8)
    client.create("kept", dimension=8, index_file_size=7, metric_type=2)
    client.create_partition("kept", "p")
    client.insert("kept", rows[:20], range(20))
    client.insert("kept", rows[20:], range(20, 50), "p")
    client.flush()
    before = client.search("kept", rows[:3], topk=5)
    assert own_engine.stop() == 0
    own_engine.start()
    client = connect(own_engine)
    schema = client.stub.DescribeCollection(pb.CollectionName(collection_name="kept"))
    assert (schema.dimension, schema.index_file_size, schema.metric_type) == (8, 7, 2)
    assert client.partitions("kept") == ["_default", "p"]
    assert client.count("kept") == 50
    assert client.search("kept", rows[:3], topk=5) == before
    assert client.insert("kept", rows[:1]).status.error_code == pb.ILLEGAL_VECTOR_ID


def test_a_kill_right_after_a_create_or_drop_keeps_it(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """What a create or drop answered stands after `kill -9`."""
    client = connect(own_engine)
    client.create("stays")
    client.create_partition("stays", "p")
    client.create("goes")
    client.drop("goes")
    own_engine.kill()
    client = connect(own_engine.start())
    assert client.collections() == ["stays"]
    assert client.partitions("stays") == ["_default", "p"]


def test_a_kill_right_after_a_flush_loses_nothing(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Every row that a Flush answered for is there after `kill -9`, time after time."""
    rows = vectors(3000, 16)
    connect(own_engine).create("flushed", dimension=16)
    for start in range(0, 3000, 500):
        client = connect(own_engine)
        client.insert("flushed", rows[start : start + 500], range(start, start + 500))
        assert client.flush("flushed").error_code == pb.SUCCESS
        own_engine.kill()
        own_engine.start()
    client = connect(own_engine)
    assert client.count("flushed") == 3000
    np.testing.assert_array_equal(found_ids(client.search("flushed", rows)).ravel(), range(3000))


def test_a_kill_in_the_middle_of_a_merge_loses_nothing(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """A merge that `kill -9` cuts off leaves its sources counting and no file of its own."""
    client, rows = connect(own_engine), vectors(4 * 8000, 256)
    client.create("merged", dimension=256)
    for start in range(0, len(rows), 8000):
        client.insert("merged", rows[start : start + 8000], range(start, start + 8000))
        client.flush("merged")
    segments = own_engine.data_dir / "segments"
    merging = wait_until(lambda: list(segments.glob("*.tmp")), "a merge begins", 20, every_s=0)
    own_engine.kill()
    client = connect(own_engine.start())
    assert not set(merging) & set(segment_files(own_engine.data_dir))
    assert client.count("merged") == len(rows)
    asked = rows[::4000]
    expected = np.arange(0, len(rows), 4000)
    np.testing.assert_array_equal(found_ids(client.search("merged", asked)).ravel(), expected)


def test_small_segments_are_merged_and_full_ones_left_alone(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Segments of 1 MB each come out of many small flushes, and the files merged away vanish."""
    client, rows = connect(own_engine), vectors(10_000, 128)
    client.create("small", dimension=128, index_file_size=1)
    for start in range(0, len(rows), 500):
        client.insert("small", rows[start : start + 500], range(start, start + 500))
        client.flush("small")
    sealed = 64 + 2048 * (8 + 4 * 128)

    def sizes() -> list[int]:
        try:
            return [path.stat().st_size for path in segment_files(own_engine.data_dir)]
        except FileNotFoundError:
            return []

    def is_merged() -> bool:
        return (sizes().count(sealed), len(sizes())) == (4, 5)

    wait_until(is_merged, lambda: f"4 of 5 segments are full: {sizes()}", 20)
    assert client.count("small") == 10_000
    np.testing.assert_array_equal(found_ids(client.search("small", rows)).ravel(), range(10_000))


def test_one_large_insert_makes_full_segments(own_engine: EngineProcess, connect: Connect) -> None:
    """A flush cuts its rows at index_file_size instead of writing one file of any size."""
    client, rows = connect(own_engine), vectors(5000, 128)
    client.create("large", dimension=128, index_file_size=1)
    client.insert("large", rows, range(5000))
    client.flush("large")
    counted = sorted(path.stat().st_size for path in segment_files(own_engine.data_dir))
    assert counted == [64 + n * (8 + 4 * 128) for n in (904, 2048, 2048)]
    np.testing.assert_array_equal(found_ids(client.search("large", rows)).ravel(), range(5000))


def test_a_drop_frees_the_disk(own_engine: EngineProcess, connect: Connect) -> None:
    """The files of a dropped collection are removed in the background."""
    client = connect(own_engine)
    client.create("dropped", dimension=4)
    client.insert("dropped", vectors(10, 4))
    client.flush()
    assert segment_files(own_engine.data_dir)
    client.drop("dropped")
    wait_until(lambda: not segment_files(own_engine.data_dir), "the files are removed", 20)


def test_sigterm_flushes_what_was_inserted(own_engine: EngineProcess, connect: Connect) -> None:
    """Rows inserted and not flushed are there after a SIGTERM, which ends with exit code 0."""
    client = connect(own_engine)
    client.create("drained", dimension=4)
    client.insert("drained", vectors(100, 4))
    assert own_engine.stop() == 0
    assert connect(own_engine.start()).count("drained") == 100


def test_sigterm_removes_what_was_dropped_before(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Files of a collection dropped just before a SIGTERM go with it, and no crash is told of."""
    client = connect(own_engine)
    client.create("dropped", dimension=4)
    client.insert("dropped", vectors(100, 4))
    client.flush()
    client.drop("dropped")
    assert own_engine.stop() == 0
    assert segment_files(own_engine.data_dir) == []
    own_engine.start()
    assert "a crash left behind" not in own_engine.log.read_text()


def test_sigterm_lets_calls_in_flight_finish(own_engine: EngineProcess, connect: Connect) -> None:
    """A search under way is answered, while new calls are refused and the engine is not ready."""
    client, rows = connect(own_engine), vectors(20_000, 64)
    client.create("slow", dimension=64, metric_type=2)
    client.insert("slow", rows)
    client.flush()
    searches = Searches(client, rows[:100])
    searches.start()
    wait_until(lambda: is_in_flight(own_engine), "a call is in flight", 10, every_s=0)
    own_engine.terminate()
    draining = (503, "draining: the engine was told to stop\n")
    wait_until(lambda: own_engine.get("/readyz") == draining, "it drains", 10, every_s=0)
    searches.join(30)
    assert searches.ended_with is grpc.StatusCode.UNAVAILABLE
    assert all(found_ids(answer).shape == (100, 10) for answer in searches.answers)
    assert own_engine.wait() == 0


class Searches(threading.Thread):
    """Searches without a pause until a search is refused; none is cut off on the way."""

    def __init__(self, client: Milvus1, queries: np.ndarray) -> None:
        super().__init__()
        self.answers: list[pb.TopKQueryResult] = []
        self.ended_with: grpc.StatusCode | None = None
        self._client = client
        self._queries = queries

    def run(self) -> None:
        try:
            while True:
                self.answers.append(self._client.search("slow", self._queries, topk=10))
        except grpc.RpcError as error:
            self.ended_with = error.code()


def is_in_flight(process: EngineProcess) -> bool:
    return "quiver_engine_calls_in_flight 1.0" in process.get("/metrics")[1]
