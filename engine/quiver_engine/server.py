"""gRPC around the service: raw bytes in, raw bytes out, every outcome in the answer's Status.

The server is the synchronous one with a pool of threads: FAISS, checksums and fsync let go of
Python's lock, so a call that waits for the disk holds up none of the others.
"""

import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import Message

from quiver_engine.errors import CallerLeft, DiskFailedError, RequestError, StartError
from quiver_engine.indexing import MAX_WAITERS
from quiver_engine.metrics import Metrics
from quiver_engine.model import MAX_MESSAGE_BYTES
from quiver_engine.rpc import Rpc
from quiver_proto import milvus_pb2 as pb

logger = logging.getLogger(__name__)

_SERVICE = "milvus.grpc.MilvusService"
# Calls that wait for an index hold a thread each; there must be many more than these.
_THREADS = 2 * MAX_WAITERS
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Without this a second engine would silently share the port.
    ("grpc.so_reuseport", 0),
]


class Server:
    """Answers calls from `start` to `drain`; `port` is what it is bound to."""

    def __init__(
        self,
        host: str,
        port: int,
        handler: grpc.GenericRpcHandler,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Bind, without TLS where there are no credentials; raises StartError when the address
        cannot be had.
        """
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rpc")
        self._server = grpc.server(pool, handlers=[handler], options=_OPTIONS)
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            _try_address(host, port)
            if credentials is None:
                self.port = self._server.add_insecure_port(target)
            else:
                self.port = self._server.add_secure_port(target, credentials)
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or "the address cannot be had"
            raise StartError(
                f"cannot serve gRPC on {target}: {why}; choose another address with --listen"
            ) from error

    def start(self) -> None:
        self._server.start()

    def drain(self, grace_s: float) -> None:
        """Take no new calls; return when those in flight are done or the grace is over."""
        self._server.stop(grace_s).wait()


def _try_address(host: str, port: int) -> None:
    # gRPC hides why it cannot bind, and writes lines of its own to stderr about it.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def handler(
    rpcs: dict[str, Rpc], metrics: Metrics, on_disk_failure: Callable[[DiskFailedError], None]
) -> grpc.GenericRpcHandler:
    """Return gRPC's handler of these calls."""
    answering = _Answering(metrics, on_disk_failure)
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        name: grpc.unary_unary_rpc_method_handler(answering.behaviour(name, rpc))
        for name, rpc in rpcs.items()
    }
    return grpc.method_handlers_generic_handler(_SERVICE, methods)


class _Answering:
    def __init__(
        self, metrics: Metrics, on_disk_failure: Callable[[DiskFailedError], None]
    ) -> None:
        self._metrics = metrics
        self._on_disk_failure = on_disk_failure

    def behaviour(self, name: str, rpc: Rpc) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def answer(raw: bytes, context: grpc.ServicerContext) -> bytes:
            started = time.perf_counter()
            with self._metrics.answering(name):
                code, reply = self._answer(name, rpc, raw, context.is_active)
            self._metrics.observe(name, code, time.perf_counter() - started)
            return reply

        return answer

    def _answer(
        self, name: str, rpc: Rpc, raw: bytes, is_awaited: Callable[[], bool]
    ) -> tuple[int, bytes]:
        try:
            return pb.SUCCESS, _run(rpc, raw, is_awaited)
        except RequestError as error:
            status = pb.Status(error_code=error.code, reason=error.reason)
        except CallerLeft:
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason="the caller has left")
        except MemoryError:
            reason = "the engine ran out of memory for this call: ask for less at a time"
            status = pb.Status(error_code=pb.OUT_OF_MEMORY, reason=reason)
        except DiskFailedError as error:
            self._on_disk_failure(error)
            reason = f"{error}; the engine stops, since it cannot know what is on disk"
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason=reason)
        except Exception:
            logger.exception("%s failed", name)
            reason = "a fault of the engine, not of the request; the engine's log tells more"
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason=reason)
        return status.error_code, _refusal(rpc.reply, status)


def _run(rpc: Rpc, raw: bytes, is_awaited: Callable[[], bool]) -> bytes:
    # It may have waited for a thread for longer than its caller did.
    if not is_awaited():
        raise CallerLeft
    return rpc.answer(raw, is_awaited)


def _refusal(reply: type[Message], status: pb.Status) -> bytes:
    message = status if reply is pb.Status else reply(status=status)
    return message.SerializeToString()
