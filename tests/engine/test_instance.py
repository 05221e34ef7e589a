"""An engine's id: it lasts as long as the data directory, and calls can ask for it."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from machine.engine_process import EngineProcess
from machine.processes import ProcessFailed
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1
from support.strace import needs_strace, start_with

Connect = Callable[[EngineProcess], Milvus1]
RPCS = sorted(pb.DESCRIPTOR.services_by_name["MilvusService"].methods_by_name)
ANOTHER = "0" * 32
DEADLINE_S = 30.0


def id_of(client: Milvus1) -> str:
    reply = client.command("instance")
    assert reply.status.error_code == pb.SUCCESS
    return reply.string_reply


def file_of(engine: EngineProcess) -> Path:
    return engine.data_dir / "INSTANCE"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that was not started yet."""
    process = EngineProcess(tmp_path / "data")
    with ExitStack() as stack:
        stack.push(process)
        yield process


def test_the_id_outlives_the_engine(own_engine: EngineProcess, connect: Connect) -> None:
    """It is what Cmd tells and what the file holds, after a kill and after a stop too."""
    told = id_of(connect(own_engine))
    assert re.fullmatch("[0-9a-f]{32}", told)
    assert file_of(own_engine).read_text() == f"{told}\n"
    own_engine.kill()
    assert id_of(connect(own_engine.start())) == told
    assert own_engine.stop() == 0
    assert id_of(connect(own_engine.start())) == told
    assert file_of(own_engine).read_text() == f"{told}\n"


def test_no_two_engines_have_one_id(
    client: Milvus1, own_engine: EngineProcess, connect: Connect
) -> None:
    """Each data directory gets an id of its own."""
    assert id_of(client) != id_of(connect(own_engine))


def test_a_directory_without_an_id_gets_one(own_engine: EngineProcess, connect: Connect) -> None:
    """A directory of an earlier release, or whose file was removed, keeps its collections."""
    client = connect(own_engine)
    before = id_of(client)
    client.create("kept")
    assert own_engine.stop() == 0
    file_of(own_engine).unlink()
    client = connect(own_engine.start())
    assert re.fullmatch("[0-9a-f]{32}", id_of(client))
    assert id_of(client) != before
    assert client.collections() == ["kept"]
    assert file_of(own_engine).read_text() == f"{id_of(client)}\n"


def test_what_a_crash_left_of_an_id_is_no_id(fresh: EngineProcess, connect: Connect) -> None:
    """A half-written temporary file of a start that was killed is written over and goes."""
    fresh.data_dir.mkdir()
    left = fresh.data_dir / "INSTANCE.tmp"
    left.write_bytes(b"0" * 100)
    assert re.fullmatch("[0-9a-f]{32}", id_of(connect(fresh.start())))
    assert not left.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"0" * 32, b"0" * 31 + b"\n", b"A" * 32 + b"\n", b"0" * 32 + b"\n\n", b"\0" * 33],
    ids=["empty", "no newline", "cut", "capitals", "too long", "zeros"],
)
def test_a_damaged_id_stops_the_start(fresh: EngineProcess, content: bytes) -> None:
    """The one line names the file and says what it must hold and what to do; the file stays."""
    fresh.data_dir.mkdir()
    file_of(fresh).write_bytes(content)
    with pytest.raises(ProcessFailed):
        fresh.start()
    assert fresh.wait() == 1
    (line,) = fresh.log.read_text().splitlines()
    assert f"{file_of(fresh)} is damaged" in line
    assert repr(content) in line
    assert "32 lowercase hex digits and a newline" in line
    assert "restore it from a backup, or remove it" in line
    assert "new identity" in line
    assert file_of(fresh).read_bytes() == content


@needs_strace
@pytest.mark.parametrize(
    ("call", "fault"), [("write", "ENOSPC"), ("fsync", "ENOSPC"), ("fsync", "EIO")]
)
def test_a_disk_that_does_not_take_an_id_is_one_line(
    fresh: EngineProcess, connect: Connect, call: str, fault: str
) -> None:
    """The start is refused, no file shows, and the next start makes one."""
    failing = start_with(fresh.data_dir / "INSTANCE.tmp", call, f"error={fault}")
    with pytest.raises(ProcessFailed, match=r"cannot be opened: .*see to the disk and start again"):
        fresh.start(under=failing)
    assert len(fresh.log.read_text().splitlines()) == 1
    assert not file_of(fresh).exists()
    assert re.fullmatch("[0-9a-f]{32}", id_of(connect(fresh.start())))


@pytest.mark.parametrize("rpc", RPCS)
def test_a_call_for_another_engine_is_refused(client: Milvus1, rpc: str) -> None:
    """Whatever the call; the reason does not give the engine's id away."""
    with pytest.raises(grpc.RpcError) as refused:
        client.raw(rpc, b"", instance=ANOTHER)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    reason = refused.value.details()
    assert "another engine than the call is meant for" in reason
    assert id_of(client) not in reason


@pytest.mark.parametrize("rpc", RPCS)
def test_a_call_for_this_engine_is_answered(client: Milvus1, rpc: str) -> None:
    """With the right id a call is answered as without any."""
    without = client.raw(rpc, b"")
    assert client.raw(rpc, b"", instance=id_of(client)) == without


def test_a_call_for_another_engine_changes_nothing(client: Milvus1) -> None:
    """What it would create is not there, and what it would drop is, until the id is right."""
    create = pb.CollectionSchema(
        collection_name="new", dimension=4, index_file_size=1024, metric_type=1
    ).SerializeToString()
    drop = pb.CollectionName(collection_name="there").SerializeToString()
    client.create("there")
    for rpc, request in (("CreateCollection", create), ("DropCollection", drop)):
        with pytest.raises(grpc.RpcError):
            client.raw(rpc, request, instance=ANOTHER)
    assert client.collections() == ["there"]
    for rpc, request in (("CreateCollection", create), ("DropCollection", drop)):
        reply = pb.Status.FromString(client.raw(rpc, request, instance=id_of(client)))
        assert reply.error_code == pb.SUCCESS
    assert client.collections() == ["new"]


def test_a_call_for_another_engine_is_refused_unread(client: Milvus1) -> None:
    """The refusal is there before the client has sent its request."""
    refused = threading.Event()

    def request() -> Iterator[bytes]:
        refused.wait(DEADLINE_S)
        yield b""

    call = client.channel.stream_unary("/milvus.grpc.MilvusService/Insert")
    answer = call.future(request(), metadata=[("quiver-instance", ANOTHER)], timeout=DEADLINE_S)
    try:
        error = answer.exception()
        assert not refused.is_set()
    finally:
        refused.set()
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
