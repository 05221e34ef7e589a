"""Calls that wait for a thread or for room, and whose clients leave."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from quiver_engine.errors import CallerLeft, RequestError
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.server import server
from quiver_engine.server.answering import Answering
from quiver_engine.system.memory import Memory, Resident
from quiver_engine.wire.rpc import CallClass, Rpc
from quiver_proto import milvus_pb2 as pb

DEADLINE_S = 30.0
_CALL = "/milvus.grpc.MilvusService/"


@contextmanager
def serving(**rpcs: Rpc) -> Iterator[grpc.Channel]:
    """Serve these calls as the engine does, over a real connection."""
    handler = server.handler(rpcs, Answering(rpcs, Metrics(), lambda _: None))
    running = server.Server("127.0.0.1", 0, handler)
    running.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
            yield channel
    finally:
        running.drain(0)


def raw(channel: grpc.Channel, rpc: str) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(f"{_CALL}{rpc}")


def test_a_call_whose_client_has_left_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a thread and is cancelled, or runs out of time, is never run."""
    monkeypatch.setattr(server, "_THREADS", {CallClass.SHORT: 1})
    monkeypatch.setattr(server, "_SHARE", 1)
    go_on, begun = threading.Event(), threading.Event()
    run: list[bytes] = []

    def hold(_: bytes, __: Callable[[], bool]) -> bytes:
        begun.set()
        go_on.wait(DEADLINE_S)
        return b""

    def note(raw: bytes, _: Callable[[], bool]) -> bytes:
        run.append(raw)
        return b""

    with serving(Hold=Rpc(hold, pb.Status), Note=Rpc(note, pb.Status)) as channel:
        first = raw(channel, "Hold").future(b"")
        assert begun.wait(DEADLINE_S)
        noting = raw(channel, "Note")
        cancelled, late, kept = (
            noting.future(b"cancelled"),
            noting.future(b"late", timeout=0.1),
            noting.future(b"kept"),
        )
        cancelled.cancel()
        assert isinstance(late.exception(DEADLINE_S), grpc.RpcError)
        go_on.set()
        kept.result(DEADLINE_S)
        first.result(DEADLINE_S)
    assert run == [b"kept"]


def resident(room: Memory, size: int) -> Resident[str]:
    return Resident(room, "a segment", size, lambda: "rows")


def test_who_waits_for_room_stops_when_its_client_leaves() -> None:
    """A search that finds no room ends within a moment of its client, and takes nothing."""
    room = Memory(100)
    one, other = resident(room, 60), resident(room, 60)
    asked: list[None] = []

    def caller_waits() -> bool:
        asked.append(None)
        return len(asked) < 2

    with one.use(), pytest.raises(CallerLeft), other.use(caller_waits):
        pass
    assert room.held_bytes == 60
    with other.use():
        pass


def test_nobody_waits_for_room_for_ever() -> None:
    """After a minute (here: at once) a search that finds no room is refused: code 24."""
    room = Memory(100, longest_wait=0)
    one, other = resident(room, 60), resident(room, 60)
    refused = pytest.raises(RequestError, match="found no room in memory")
    with one.use(), refused as refusal, other.use():
        pass
    assert refusal.value.code == pb.OUT_OF_MEMORY
