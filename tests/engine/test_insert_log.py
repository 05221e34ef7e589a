"""The insert log: what was answered for is there after a kill, and damage is told from a tear."""

import os
import signal
import threading
from collections.abc import Callable

import grpc
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1

Connect = Callable[[EngineProcess], Milvus1]


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_kill_right_after_an_insert_or_a_delete_loses_neither(
    own_engine: EngineProcess, connect: Connect, durability: str
) -> None:
    """Rows and deletions that were answered for are there after `kill -9`, without any flush."""
    own_engine.stop()
    client = connect(own_engine.start("--durability", durability))
    client.create("c", dimension=2)
    client.command("set_config storage.auto_flush_interval 0")
    client.create_partition("c", "p")
    client.insert("c", [[i, 0] for i in range(100)], range(100))
    client.insert("c", [[7, 7]], [700], "p")
    client.delete("c", range(50))
    client.insert("c", [[1, 1]], [1])
    own_engine.kill()
    client = connect(own_engine.start())
    client.flush()
    assert client.count("c") == 52
    assert client.vectors("c", [1, 2, 99, 700]) == [[1, 1], [], [99, 0], [7, 7]]
    assert client.insert("c", [[1, 1]]).status.error_code == pb.ILLEGAL_VECTOR_ID


def test_rows_in_the_log_are_not_counted_twice(own_engine: EngineProcess, connect: Connect) -> None:
    """Rows that were flushed before a kill are not replayed on top of their segments."""
    for batch in range(5):
        client = connect(own_engine)
        client.create("c", dimension=1)
        client.insert("c", [[batch]] * 10)
        if batch % 2:
            client.flush("c")
        own_engine.kill()
        own_engine.start()
    client = connect(own_engine)
    client.flush("c")
    assert client.count("c") == 50


def test_logged_rows_of_what_was_dropped_do_not_come_back(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """A collection or partition created under a dropped one's name starts empty after a kill."""
    client = connect(own_engine)
    client.command("set_config storage.auto_flush_interval 0")
    for _ in range(2):
        client.create("c", dimension=1)
        client.create_partition("c", "p")
        client.insert("c", [[1]], [1])
        client.insert("c", [[2]], [2], "p")
        client.drop("c")
    client.create("c", dimension=1)
    client.create_partition("c", "p")
    client.insert("c", [[2]], [2], "p")
    client.stub.DropPartition(pb.PartitionParam(collection_name="c", tag="p"))
    client.create_partition("c", "p")
    own_engine.kill()
    client = connect(own_engine.start())
    client.flush("c")
    assert client.count("c") == 0


def test_every_answered_insert_survives_a_kill_under_load(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Of rows inserted by several callers at once, all that were answered for are there."""
    client = connect(own_engine)
    client.create("c", dimension=4)
    answered: list[int] = []
    ids = iter(range(1_000_000))

    def insert() -> None:
        try:
            while True:
                id_ = next(ids)
                if client.insert("c", [[id_] * 4], [id_]).status.error_code == pb.SUCCESS:
                    answered.append(id_)
        except grpc.RpcError:
            return

    threads = [threading.Thread(target=insert) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 300:
        assert any(thread.is_alive() for thread in threads)
    os.kill(own_engine.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    own_engine.wait()
    client = connect(own_engine.start())
    client.flush("c")
    for start in range(0, len(answered), 1000):
        asked = answered[start : start + 1000]
        assert client.vectors("c", asked) == [[id_] * 4 for id_ in asked]


def test_a_clean_end_leaves_no_log(own_engine: EngineProcess, connect: Connect) -> None:
    """After SIGTERM every row is in a segment, and there is nothing to replay."""
    client = connect(own_engine)
    client.create("c", dimension=1)
    client.insert("c", [[1]])
    assert own_engine.stop() == 0
    assert list((own_engine.data_dir / "log").iterdir()) == []
