"""A disk that fails, fills up or is slow under a real engine: its system calls meet the faults."""

import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from machine.engine_process import EngineProcess
from machine.processes import ProcessFailed
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids
from support.strace import injected, needs_strace, start_with
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
pytestmark = needs_strace


@pytest.fixture
def filled(own_engine: EngineProcess, connect: Connect) -> Milvus1:
    """A collection with 10 rows in a segment and 10 in the log, nothing flushed by itself."""
    client = connect(own_engine)
    client.command("set_config storage.auto_flush_interval 0")
    client.create("c", dimension=1)
    client.insert("c", [[row] for row in range(10)], range(10))
    client.flush("c")
    client.insert("c", [[row] for row in range(10, 20)], range(10, 20))
    return client


def the_log(engine: EngineProcess) -> Path:
    (path,) = (engine.data_dir / "log").glob("*.log")
    return path


def insert(client: Milvus1) -> pb.Status:
    return client.insert("c", [[99]], [99]).status


def flush(client: Milvus1) -> pb.Status:
    return client.flush("c")


def create(client: Milvus1) -> pb.Status:
    return client.create("new")


FAILURES = {
    "the log": ("fsync", "log/1.log", insert),
    "a segment": ("fsync", "segments/2.seg.tmp", flush),
    "the names of segments": ("fsync", "segments", flush),
    "the catalog": ("fdatasync", "catalog.sqlite-wal", create),
}


@pytest.mark.parametrize("of", FAILURES)
def test_a_failed_fsync_ends_the_engine_and_loses_nothing_answered(
    own_engine: EngineProcess, connect: Connect, filled: Milvus1, of: str
) -> None:
    """The call is refused, the engine says why and exits with 1; the next start has all rows."""
    call, path, change = FAILURES[of]
    with injected(own_engine.pid, own_engine.data_dir / path, call, "error=EIO"):
        status = change(filled)
        assert own_engine.wait() == 1
    assert status.error_code == pb.UNEXPECTED_ERROR
    assert "the engine stops, since it cannot know what is on disk" in status.reason
    assert "CRITICAL stopping, for what is on disk is unknown" in own_engine.log.read_text()
    client = connect(own_engine.start())
    client.flush("c")
    found = set(found_ids(client.search("c", [[0]], topk=30))[0].tolist())
    assert found >= set(range(20))
    assert found <= {*range(20), 99, -1}


FULL = {
    "the log": ("write", "log/1.log", insert),
    "the catalog": ("pwrite64", "catalog.sqlite-wal", create),
}


@pytest.mark.parametrize("of", FULL)
def test_a_full_disk_refuses_changes_and_nothing_else(
    own_engine: EngineProcess, connect: Connect, filled: Milvus1, of: str
) -> None:
    """The answer says what to do, searches go on, and so do changes as soon as there is room."""
    call, path, change = FULL[of]
    with injected(own_engine.pid, own_engine.data_dir / path, call, "error=ENOSPC"):
        for _ in range(2):
            status = change(filled)
            assert status.error_code == pb.UNEXPECTED_ERROR
            assert "the disk is full" in status.reason
            assert "free space" in status.reason
            assert status.disk_full
        assert found_ids(filled.search("c", [[7]])) == 7
        ready, line = own_engine.get("/readyz")
        assert (ready, line.startswith("ready, but the disk is full (")) == (200, True)
        assert own_engine.log.read_text().count("the disk of ") == 1
    assert change(filled).error_code == pb.SUCCESS
    assert filled.insert("c", [[100]], [100]).status.error_code == pb.SUCCESS
    own_engine.kill()
    client = connect(own_engine.start())
    client.flush("c")
    assert client.count("c") == (22 if change is insert else 21)
    assert ("new" in client.collections()) == (change is create)


def test_a_kill_at_an_fsync_of_the_log_loses_nothing_answered(
    own_engine: EngineProcess, connect: Connect, filled: Milvus1
) -> None:
    """An engine that dies in the fsync for one insert has the rows of those before it."""
    answered = [filled.insert("c", [[row]], [row]).status for row in (100, 101)]
    # Not at the n-th from now: strace counts those of each thread apart.
    with injected(own_engine.pid, the_log(own_engine), "fsync", "signal=KILL"):
        with pytest.raises(grpc.RpcError):
            filled.insert("c", [[102]], [102])
        assert own_engine.wait() == -signal.SIGKILL
    assert [status.error_code for status in answered] == [pb.SUCCESS, pb.SUCCESS]
    client = connect(own_engine.start())
    client.flush("c")
    assert client.vectors("c", [0, 19, 100, 101]) == [[0], [19], [100], [101]]


def test_a_segment_that_the_disk_cannot_read_is_left_out(
    own_engine: EngineProcess, connect: Connect, filled: Milvus1
) -> None:
    """An input/output error at the start is damage of that file, and the rest is served."""
    assert own_engine.stop() == 0
    path = own_engine.data_dir / "segments/1.seg"
    client = connect(own_engine.start(under=start_with(path, "read", "error=EIO")))
    assert f"segment file {path} is damaged: Input/output error" in own_engine.log.read_text()
    assert client.count("c") == 10


def test_a_full_disk_at_the_start_is_one_line(own_engine: EngineProcess, filled: Milvus1) -> None:
    """It says what to do, and nothing is lost by it."""
    own_engine.kill()
    path = own_engine.data_dir / "log/2.log"
    with pytest.raises(ProcessFailed, match=r"cannot be opened: .*No space left on device"):
        own_engine.start(under=start_with(path, "write", "error=ENOSPC"))
    assert len(own_engine.log.read_text().splitlines()) == 1
    own_engine.start()


def test_a_slow_start_tells_how_far_it_has_come(own_engine: EngineProcess, filled: Milvus1) -> None:
    """While a segment is read slowly, /readyz answers 503 and says which of how many."""
    own_engine.stop()
    slow = start_with(own_engine.data_dir / "segments/2.seg", "read", "delay_enter=300000")
    starting = threading.Thread(target=lambda: own_engine.start(under=slow))
    starting.start()
    said = ""

    def is_told() -> bool:
        nonlocal said
        try:
            status, said = own_engine.get("/readyz")
        except OSError:
            return False
        assert (status == 200) == said.startswith("ready")
        return bool(re.fullmatch(r"recovering: 1 of 2 segments verified, .*\n", said))

    wait_until(is_told, lambda: f"it tells how far it has come, and not {said!r}", 20)
    starting.join()
    assert own_engine.get("/readyz") == (200, "ready\n")
