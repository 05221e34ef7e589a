"""CreateIndex, DescribeIndex, DropIndex: checks, what is found, what goes on meanwhile."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.index_kinds import clustered
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]

ROWS = 12_000
DIMENSION = 32
SLOW = (11, json.dumps({"M": 64, "efConstruction": 512}))


def test_drop_index_returns_to_flat(client: Milvus1) -> None:
    """After DropIndex the index is FLAT, nothing is IVFFLAT any more, and search is exact."""
    rows = clustered(5000, 8)
    client.create("dropped_index", dimension=8)
    client.insert("dropped_index", rows, range(5000))
    client.create_index("dropped_index", 2, '{"nlist": 64}')
    assert client.index_names("dropped_index") == ["IVFFLAT"]
    assert client.drop_index("dropped_index") == pb.Status(reason="OK")
    assert client.describe_index("dropped_index") == (1, "{}")
    assert client.index_names("dropped_index") == ["IDMAP"]
    found = found_ids(client.search("dropped_index", rows[:500]))
    np.testing.assert_array_equal(found.ravel(), range(500))
    missing = pb.CollectionName(collection_name="missing")
    assert client.drop_index("missing").error_code == pb.COLLECTION_NOT_EXISTS
    assert client.stub.DescribeIndex(missing).status.error_code == pb.COLLECTION_NOT_EXISTS


def test_create_index_flushes_merges_and_leaves_small_segments_alone(client: Milvus1) -> None:
    """Waiting rows are flushed, small segments become one with an index; later ones stay raw."""
    rows = clustered(6000, 8)
    client.create("merged_first", dimension=8)
    client.create_partition("merged_first", "small")
    client.insert("merged_first", rows[:100], range(100), "small")
    for start in (0, 3000):
        client.insert("merged_first", rows[start : start + 3000], range(start, start + 3000))
        if not start:
            client.flush("merged_first")
    assert client.create_index("merged_first", 2, '{"nlist": 64}').error_code == pb.SUCCESS
    shapes = {(s["row_count"], s["index_name"]) for s in client.segments("merged_first")}
    assert shapes == {(6000, "IVFFLAT"), (100, "IDMAP")}
    client.insert("merged_first", rows[:5000], range(6000, 11_000))
    client.flush("merged_first")
    shapes = {(s["row_count"], s["index_name"]) for s in client.segments("merged_first")}
    assert shapes == {(6000, "IVFFLAT"), (100, "IDMAP"), (5000, "IDMAP")}


def test_full_segments_are_indexed_in_the_background(client: Milvus1) -> None:
    """With an index set, what reaches index_file_size gets it without being asked for."""
    rows = clustered(10_000, 64)
    client.create("background", dimension=64, index_file_size=1)
    client.create_index("background", 3, '{"nlist": 16}')
    client.insert("background", rows, range(10_000))
    client.flush("background")
    names = ["IDMAP", "IVFSQ8", "IVFSQ8"]
    wait_until(lambda: sorted(client.index_names("background")) == names, "both are indexed")
    found = found_ids(client.search("background", rows[:200], params='{"nprobe": 16}'))
    assert (found.ravel() == range(200)).mean() > 0.99


def test_a_build_blocks_nobody(own_engine: EngineProcess, connect: Connect) -> None:
    """While an index is built, everything else is answered, and DescribeIndex tells of it."""
    client, rows = connect(own_engine), clustered(30_000, 128)
    client.create("slow", dimension=128)
    client.insert("slow", rows, range(len(rows)))
    outcome: list[pb.Status] = []
    build = threading.Thread(target=lambda: outcome.append(client.create_index("slow", *SLOW)))
    build.start()
    wait_until(
        lambda: client.describe_index("slow") == SLOW and client.count("slow") == len(rows),
        "the index is described and all rows are seen",
    )
    found = found_ids(client.search("slow", rows[:10], params='{"ef": 10}'))
    np.testing.assert_array_equal(found.ravel(), range(10))
    assert client.create("other").error_code == pb.SUCCESS
    assert client.insert("other", [[1.0] * 4]).status.error_code == pb.SUCCESS
    assert client.insert("slow", rows[:1], [99_999]).status.error_code == pb.SUCCESS
    assert client.flush().error_code == pb.SUCCESS
    assert client.count("slow") == len(rows) + 1
    assert client.drop("other").error_code == pb.SUCCESS
    assert client.index_names("slow") == ["IDMAP", "IDMAP"]
    (call,) = json.loads(client.command("requests").string_reply)["requests"]
    assert call.startswith("CreateIndex-")
    assert build.is_alive()
    assert client.drop("slow").error_code == pb.SUCCESS
    build.join(30)
    assert outcome[0].error_code == pb.COLLECTION_NOT_EXISTS


def test_a_build_that_a_kill_cuts_off_is_taken_up_again(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """After `kill -9` in the middle of a build the index is described, and gets built."""
    client, rows = connect(own_engine), clustered(20_000, 64)
    params = json.dumps({"M": 16, "efConstruction": 300})
    client.create("cut_off", dimension=64)
    client.insert("cut_off", rows, range(len(rows)))
    client.flush("cut_off")
    with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
        client.create_index("cut_off", 11, params, timeout=0.5)
    own_engine.kill()
    client = connect(own_engine.start())
    assert client.describe_index("cut_off") == (11, params)
    wait_until(lambda: client.index_names("cut_off") == ["HNSW"], "the index is built")
    found = found_ids(client.search("cut_off", rows[:100], params='{"ef": 64}'))
    assert (found.ravel() == range(100)).mean() > 0.95
    assert own_engine.stop() == 0
    client = connect(own_engine.start())
    assert client.index_names("cut_off") == ["HNSW"]


def test_an_index_changes_while_searches_run(own_engine: EngineProcess, connect: Connect) -> None:
    """Searches see all rows while the index is built, replaced and dropped, time after time."""
    client, rows = connect(own_engine), clustered(9000, 16)
    client.create("changing", dimension=16, index_file_size=1)
    client.insert("changing", rows, range(9000))
    client.flush("changing")
    done = threading.Event()
    failures: list[object] = []

    def change() -> None:
        for number, params in [(2, '{"nlist": 64}'), (3, '{"nlist": 8}')] * 5:
            failures.append(client.create_index("changing", number, params).error_code)
        failures.append(client.drop_index("changing").error_code)
        done.set()

    changes = threading.Thread(target=change)
    changes.start()
    while not done.is_set():
        found = found_ids(client.search("changing", rows[::500], params='{"nprobe": 64}'))
        np.testing.assert_array_equal(found.ravel(), range(0, 9000, 500))
    changes.join()
    assert set(failures) == {pb.SUCCESS}
    segments = own_engine.data_dir / "segments"
    wait_until(lambda: list(segments.glob("*.idx*")) == [], "the files of indexes are removed")


@pytest.mark.parametrize("at_start", [True, False])
def test_a_damaged_index_is_built_anew(
    own_engine: EngineProcess, connect: Connect, at_start: bool
) -> None:
    """A flipped bit or a missing file costs a build: the log tells, every row is still found."""
    client, rows = connect(own_engine), clustered(5000, 8)
    client.create("damaged", dimension=8)
    client.insert("damaged", rows, range(5000))
    client.create_index("damaged", 2, '{"nlist": 16}')
    own_engine.stop()
    (index,) = own_engine.data_dir.glob("segments/*.idx")
    if at_start:
        index.unlink()
    else:
        flip_bit(index, -100)
    client = connect(own_engine.start())
    found = found_ids(client.search("damaged", rows[:100], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(100))
    wait_until(lambda: f"index file {index} is damaged" in own_engine.output, "the damage is told")
    wait_until(lambda: "indexed 5000 rows" in own_engine.output, "the build is told")
    wait_until(lambda: client.index_names("damaged") == ["IVFFLAT"], "the index is there again")
    found = found_ids(client.search("damaged", rows[:100], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(100))


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_searches_go_before_builds(own_engine: EngineProcess) -> None:
    """The threads that a build keeps busy are of a lower priority than those that search."""

    def worked() -> dict[int, float]:
        """Return the seconds that each thread has used in user mode."""
        return {thread.id: thread.user_time for thread in own_engine.usage.threads()}

    client = Milvus1(own_engine.grpc_address)
    client.create("c", DIMENSION)
    client.insert("c", clustered(ROWS, DIMENSION))
    client.flush("c")
    before = worked()
    with pytest.raises(grpc.RpcError):
        client.create_index("c", *SLOW, timeout=0.5)
    busy: list[int] = []

    def is_building() -> bool:
        busy[:] = [task for task, now in worked().items() if now - before.get(task, 0) >= 0.2]
        return bool(busy)

    wait_until(is_building, "a thread has built for 0.2 s")
    usual = os.getpriority(os.PRIO_PROCESS, own_engine.pid)
    assert all(os.getpriority(os.PRIO_PROCESS, task) > usual for task in busy)
    client.drop("c")
    client.close()
