"""A client in a process of its own: requests are bytes that were made before the clock starts."""

import itertools
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import Any, Self

import grpc
import numpy as np

from bench.engine.data import insert_request, search_request
from bench.engine.driving import Timing, drive
from quiver_engine.model import Floats, Ids
from quiver_proto import milvus_pb2 as pb

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_SERVICE = "/milvus.grpc.MilvusService"
# An answer is a Status or begins with one, and a success has no error code in it.
_SUCCESS = pb.Status(reason="OK").SerializeToString()
_STATUS_BYTES = len(_SUCCESS) + 2


class Client:
    """Talks to one engine from another process; raises RuntimeError when a call is refused."""

    def __init__(self, address: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawn, _connect, (address,))
        self._background: Future[None] = Future()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def search(
        self, collection: str, queries: Floats, params: str, *, threads: int = 1, seconds: float
    ) -> Timing:
        """Search each of the batches in `queries`, shape (batches, nq, dimension), in turn."""
        job = self._pool.submit(_search, collection, queries, params, threads, seconds)
        return job.result()

    def search_now_and_then(
        self, collection: str, queries: Floats, params: str, *, pause_s: float, seconds: float
    ) -> list[float]:
        """Search for one query after the other, with pauses; return the seconds of each."""
        job = self._pool.submit(_now_and_then, collection, queries, params, pause_s, seconds)
        return job.result()

    def repeat(self, calls: Sequence[tuple[str, bytes]], pause_s: float, seconds: float) -> None:
        """Begin to make these calls over and over in the background, for so long."""
        self._background = self._pool.submit(_repeat, calls, pause_s, seconds)

    def finish(self) -> None:
        """Wait for what was begun in the background."""
        self._background.result()

    def find(self, collection: str, queries: Floats, params: str) -> Ids:
        """Return what one search finds, ids of shape (nq, topk)."""
        return self._pool.submit(_find, collection, queries, params).result()

    def insert(self, collection: str, vectors: Floats, first_id: int, batch: int) -> list[float]:
        """Insert rows, numbered from `first_id`, `batch` in a call; return the seconds of each."""
        return self._pool.submit(_insert, collection, vectors, first_id, batch).result()

    def ask(self, rpc: str, requests: Sequence[bytes]) -> list[float]:
        """Make calls one after the other; return the seconds of each."""
        return self._pool.submit(_ask, rpc, requests).result()


class _Connection:
    """The one of this process."""

    channel: grpc.Channel


def _connect(address: str) -> None:
    _Connection.channel = grpc.insecure_channel(address, _OPTIONS)


def _rpc(name: str) -> Callable[[bytes], bytes]:
    call: Any = _Connection.channel.unary_unary(f"{_SERVICE}/{name}")

    def succeed(request: bytes) -> bytes:
        answer: bytes = call(request)
        if _SUCCESS not in answer[:_STATUS_BYTES]:
            raise RuntimeError(f"{name} was refused: {answer[:500]!r}")
        return answer

    return succeed


def _search(collection: str, queries: Floats, params: str, threads: int, seconds: float) -> Timing:
    call = _rpc("Search")
    requests = [search_request(collection, batch, params) for batch in queries]
    return drive([partial(call, request) for request in requests], threads, seconds)


def _now_and_then(
    collection: str, queries: Floats, params: str, pause_s: float, seconds: float
) -> list[float]:
    call, taken = _rpc("Search"), []
    requests = itertools.cycle([search_request(collection, q[None], params) for q in queries])
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        call(next(requests))
        taken.append(time.perf_counter() - begun)
        time.sleep(pause_s)
    return taken


def _repeat(calls: Sequence[tuple[str, bytes]], pause_s: float, seconds: float) -> None:
    made = [partial(_rpc(name), request) for name, request in calls]
    end = time.perf_counter() + seconds
    for call in itertools.cycle(made):
        if time.perf_counter() >= end:
            return
        call()
        time.sleep(pause_s)


def _find(collection: str, queries: Floats, params: str) -> Ids:
    answer = _rpc("Search")(search_request(collection, queries, params))
    found = pb.TopKQueryResult.FromString(answer)
    return np.array(found.ids, np.int64).reshape(len(queries), -1)


def _insert(collection: str, vectors: Floats, first_id: int, batch: int) -> list[float]:
    ids = np.arange(first_id, first_id + len(vectors))
    requests = [
        insert_request(collection, vectors[start : start + batch], ids[start : start + batch])
        for start in range(0, len(vectors), batch)
    ]
    return _ask("Insert", requests)


def _ask(rpc: str, requests: Sequence[bytes]) -> list[float]:
    call, taken = _rpc(rpc), []
    for request in requests:
        begun = time.perf_counter()
        call(request)
        taken.append(time.perf_counter() - begun)
    return taken
