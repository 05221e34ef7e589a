"""The insert log: what was answered for is there after a kill, and damage is told from a tear."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from quiver_engine.errors import StartError
from quiver_engine.files import log_records
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.files.log_records import Kind, Record
from quiver_proto import milvus_pb2 as pb
from support.engine_process import EngineProcess
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


def write(directory: Path, records: int) -> Path:
    log = InsertLog(directory, Durability.FSYNC)
    assert list(log.replay()) == []
    log.start(0)
    for number in range(1, records + 1):
        vectors = np.full((3, 2), number, np.float32)
        record = Record(Kind.USER_IDS, 1, 2, np.arange(3) + number, vectors)
        log.sync_to(log.append(record))
    log.close(is_flushed=False)
    (path,) = directory.iterdir()
    return path


def sequences(directory: Path) -> list[int]:
    return [record.sequence for record in InsertLog(directory, Durability.FSYNC).replay()]


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Kind, scope, ids and vectors are the same, in the order they were written."""
    write(tmp_path, 3)
    back = list(InsertLog(tmp_path, Durability.FSYNC).replay())
    assert [r.sequence for r in back] == [1, 2, 3]
    assert {(r.kind, r.collection, r.partition) for r in back} == {(Kind.USER_IDS, 1, 2)}
    np.testing.assert_array_equal(back[2].ids, [3, 4, 5])
    np.testing.assert_array_equal(back[2].vectors, np.full((3, 2), 3))


def test_a_torn_tail_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    """However far the last record got, the ones before it are read and nothing else."""
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    record = (len(whole) - len(log_records.FILE_HEADER)) // 3
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = max(0, length - len(log_records.FILE_HEADER)) // record
        assert sequences(tmp_path) == list(range(1, complete + 1))
    assert list(tmp_path.iterdir()) == [path]


def test_a_flipped_bit_costs_its_record_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever a bit flips, the other records are read; before the last it is named as damage."""
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    start = len(log_records.FILE_HEADER)
    record = (len(whole) - start) // 3
    for place in range(start, len(whole)):
        caplog.clear()
        content = bytearray(whole)
        content[place] ^= 4
        path.write_bytes(content)
        hit = (place - start) // record + 1
        assert sequences(tmp_path) == [n for n in (1, 2, 3) if n != hit]
        aside = path.with_name(f"{path.name}.damaged")
        assert aside.exists() == (hit < 3)
        assert ("is damaged" in caplog.text) == (hit < 3)
        aside.unlink(missing_ok=True)


@pytest.mark.parametrize("version", [1, 9])
def test_a_log_of_another_format_is_refused(tmp_path: Path, version: int) -> None:
    """The line names both versions."""
    path = write(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[8] = version
    path.write_bytes(content)
    with pytest.raises(StartError, match=f"format version {version}, this engine reads 2"):
        sequences(tmp_path)
