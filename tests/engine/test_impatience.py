"""Clients that leave before they are answered cost nothing more."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from quiver_engine.errors import CallerLeft, RequestError
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.server import server
from quiver_engine.server.answering import Answering
from quiver_engine.system import memory
from quiver_engine.system.memory import Memory, Resident
from quiver_engine.wire.rpc import Lane, Rpc
from quiver_proto import milvus_pb2 as pb
from support.engine_process import EngineProcess
from support.milvus1_client import Milvus1, records

DEADLINE_S = 30.0
_CALL = "/milvus.grpc.MilvusService/"


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


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
    monkeypatch.setattr(server, "_THREADS", {Lane.SHORT: 1})
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

    def is_awaited() -> bool:
        asked.append(None)
        return len(asked) < 2

    with one.use(), pytest.raises(CallerLeft), other.use(is_awaited):
        pass
    assert room.held_bytes == 60
    with other.use():
        pass


def test_nobody_waits_for_room_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute (here: at once) a search that finds no room is refused: code 24."""
    monkeypatch.setattr(memory, "WAIT_S", 0.0)
    room = Memory(100)
    one, other = resident(room, 60), resident(room, 60)
    refused = pytest.raises(RequestError, match="found no room in memory")
    with one.use(), refused as refusal, other.use():
        pass
    assert refusal.value.code == pb.OUT_OF_MEMORY


def test_a_search_that_is_cancelled_stops(engine: EngineProcess, client: Milvus1) -> None:
    """Searches end between two segments when their clients leave, with nobody to tell."""
    client.create("rows", dimension=32, index_file_size=1)
    rows = np.random.default_rng(1).normal(size=(30_000, 32)).astype(np.float32)
    client.insert("rows", rows, range(len(rows)))
    client.flush("rows")
    request = pb.SearchParam(
        collection_name="rows", query_record_array=records(rows[:1000]), topk=100
    )
    calls = [client.stub.Search.future(request) for _ in range(12)]
    until(lambda: told(engine, "calls_in_flight") > 6, "searches begin")
    for call in calls:
        call.cancel()
    until(lambda: told(engine, "calls_in_flight") == 0, "searches end")
    assert told(engine, 'calls_total{code="1",rpc="Search"}') > 0


def told(process: EngineProcess, metric: str) -> float:
    """Return a metric's value, 0 where there is none yet."""
    lines = process.get("/metrics")[1].splitlines()
    values = [line.split()[-1] for line in lines if line.startswith(f"quiver_engine_{metric} ")]
    return float(values[0]) if values else 0.0


def test_an_insert_that_is_cancelled_is_kept_whole_or_not_at_all(client: Milvus1) -> None:
    """Whatever the moment of the cancel, all of an Insert's rows are there or none of them."""
    client.create("cancelled", dimension=32)
    rows = np.zeros((2000, 32), np.float32)
    requests = [
        pb.InsertParam(
            collection_name="cancelled",
            row_record_array=records(rows),
            row_id_array=[number] * len(rows),
        )
        for number in range(10)
    ]

    def begin_and_leave(number: int) -> None:
        call = client.stub.Insert.future(requests[number])
        try:
            call.result(timeout=number / 1000)
        except grpc.FutureTimeoutError:
            call.cancel()

    for number in range(10):
        begin_and_leave(number)
    client.insert("cancelled", rows[:1], [99])
    client.flush("cancelled")
    ids = [
        id_
        for segment in client.segments("cancelled")
        for id_ in client.stub.GetVectorIDs(
            pb.GetVectorIDsParam(collection_name="cancelled", segment_name=segment["name"])
        ).vector_id_array
    ]
    counts = {number: ids.count(number) for number in range(10)}
    assert set(counts.values()) <= {0, len(rows)}
