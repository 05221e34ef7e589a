"""Serves the calls over gRPC, as raw bytes in and out.

One event loop receives requests and sends answers, so a slow client holds a connection and no
thread. Threads answer requests that have arrived whole. FAISS, checksums and fsync release Python's
lock, so a call that waits for the disk holds up none of the others.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
import grpc.aio
import uvloop

from quiver_engine.errors import StartError
from quiver_engine.model import MAX_INDEX_WAITERS, MAX_MESSAGE_BYTES
from quiver_engine.server.admission import Admission
from quiver_engine.server.answering import Answering
from quiver_engine.server.arrivals import Arrivals, patience_s
from quiver_engine.server.fair_queue import FairQueue
from quiver_engine.system.priority import give_way
from quiver_engine.wire.rpc import CallClass, Rpc

_SERVICE = "milvus.grpc.MilvusService"
_MAX_CALLS = 10_000
_MAX_OUTSTANDING = _MAX_CALLS // 2
"""Calls whose requests have not arrived."""
_MAX_CALLS_OF_A_CONNECTION = _MAX_CALLS // 10
_SEARCHES = max(4, os.cpu_count() or 1)
_THREADS = {CallClass.SHORT: 64, CallClass.LONG: 2 * MAX_INDEX_WAITERS, CallClass.SEARCH: _SEARCHES}
# One collection gets at most this fraction of a call class's threads: one half.
_SHARE = 2
_INSTANCE_KEY = "quiver-instance"
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", _MAX_CALLS_OF_A_CONNECTION),
    ("grpc.server.max_pending_requests", _MAX_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", _MAX_CALLS),
    # Otherwise a second engine would share the port, and nobody would notice.
    ("grpc.so_reuseport", 0),
]

T = TypeVar("T")
Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[object, Context], Awaitable[bytes]]


class Server:
    """Answers calls from `start` to `drain`; `port` is the port that it bound."""

    def __init__(
        self,
        host: str,
        port: int,
        handler: grpc.GenericRpcHandler,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Bind, with TLS if there are credentials; raises StartError when it cannot bind."""
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True).start()
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            _try_address(host, port)
            self.port = self._run(self._bind(target, handler, credentials))
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or "the address cannot be had"
            raise StartError(
                f"cannot serve gRPC on {target}: {why}; choose another address with --listen"
            ) from error

    async def _bind(
        self,
        target: str,
        handler: grpc.GenericRpcHandler,
        credentials: grpc.ServerCredentials | None,
    ) -> int:
        self._server = grpc.aio.server(
            handlers=[handler], options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS
        )
        if credentials is None:
            return self._server.add_insecure_port(target)
        return self._server.add_secure_port(target, credentials)

    def start(self) -> None:
        self._run(self._server.start())

    def drain(self, grace_s: float) -> None:
        """Accept no new calls; return when those in flight are done or the grace period is over."""
        self._run(self._server.stop(grace_s))

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()


def _try_address(host: str, port: int) -> None:
    # gRPC does not say why it cannot bind, and writes lines of its own to stderr.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def handler(rpcs: Mapping[str, Rpc], answering: Answering) -> grpc.GenericRpcHandler:
    """Return a handler of these calls for gRPC."""
    queues = {call_class: _queue(call_class, answering) for call_class in _THREADS}
    admissions = {rpc.largest: Admission() for rpc in rpcs.values() if rpc.largest}
    arrivals = Arrivals(_MAX_OUTSTANDING)

    def behaviour(name: str, rpc: Rpc) -> "Behaviour":
        async def answer(_: object, context: "Context") -> bytes:
            admission = admissions.get(rpc.largest)
            raw = await request(admission, context)
            if admission is None:
                return await answer_to(raw, context)
            with admission.holding(raw):
                return await answer_to(raw, context)

        async def request(admission: Admission | None, context: "Context") -> object:
            longest_s = patience_s(rpc.largest)
            try:
                async with arrivals.awaiting(context.read, longest_s) as read:
                    if admission is None:
                        return await read()
                    return await admission.receive(read, rpc.largest, context.peer())
            except TimeoutError:
                why = (
                    f"the request did not arrive within {longest_s:.0f} s, or it was the oldest of"
                    f" more than {_MAX_OUTSTANDING} that had not arrived"
                )
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, why)

        async def answer_to(raw: object, context: "Context") -> bytes:
            if not isinstance(raw, bytes):
                why = "the call came without a request"
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)
            call = answering.call(name, raw, context.time_remaining())
            if rpc.call_class is CallClass.INLINE:
                return answering.answer([call])[0]
            return await queues[rpc.call_class].answer(call)

        return answer

    # As a stream of one request: only of a stream does gRPC let us choose when to receive it.
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        name: grpc.stream_unary_rpc_method_handler(behaviour(name, rpc))
        for name, rpc in rpcs.items()
    }
    return grpc.method_handlers_generic_handler(_SERVICE, methods)


class MeantFor(grpc.GenericRpcHandler):
    """Refuses calls whose metadata name another instance; passes all others on."""

    def __init__(self, instance: str, handler: grpc.GenericRpcHandler) -> None:
        self._instance = instance
        self._handler = handler
        self._refusal: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            _refuse
        )

    # Here and not in the call: the metadata are plain tuples, and nothing has been received yet.
    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        for key, value in handler_call_details.invocation_metadata:
            if key == _INSTANCE_KEY and value != self._instance:
                return self._refusal
        return self._handler.service(handler_call_details)


async def _refuse(_: object, context: "Context") -> bytes:
    why = (
        "this is another engine than the call is meant for, and nothing was done; Cmd instance,"
        f" sent without {_INSTANCE_KEY} in its metadata, tells which one it is"
    )
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, why)


def _queue(call_class: CallClass, answering: Answering) -> FairQueue:
    threads = _THREADS[call_class]
    begin = None if call_class is CallClass.SEARCH else give_way
    pool = ThreadPoolExecutor(threads, call_class.value, begin)
    return FairQueue(pool, threads, threads // _SHARE, answering.answer, answering.answer_inline)
