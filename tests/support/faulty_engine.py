"""A real engine behind a proxy that spoils calls: late, lost, or with an error for an answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

from quiver_proto import milvus_pb2 as pb
from support.grpc_server import RawServer

Proceed = Callable[[], Awaitable[bytes]]
Fault = Callable[[Proceed, Any], Awaitable[bytes]]


class FaultyEngine(RawServer):
    """Passes each call on as it is, but for those that it was told to spoil.

    `calls` counts what came in, by method.
    """

    def __init__(self, engine: str) -> None:
        """`engine` is HOST:PORT of the real one."""
        super().__init__()
        self.calls: Counter[str] = Counter()
        self._faults: dict[str, Fault] = {}
        self._engine = grpc.aio.insecure_channel(engine)

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self._engine.close()

    def spoil(self, fault: Fault, *methods: str) -> None:
        """Do `fault` at each call of `methods` from now on; at any call where none is named."""
        self._faults.update(dict.fromkeys(methods or [""], fault))

    def heal(self) -> None:
        self._faults.clear()

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        method = path.rpartition("/")[2]
        self.calls[method] += 1
        call: Any = self._engine.unary_unary(path)

        async def proceed() -> bytes:
            answered: bytes = await call(request)
            return answered

        fault = self._faults.get(method) or self._faults.get("")
        return await (fault(proceed, context) if fault else proceed())


async def never_answers(_proceed: Proceed, _context: Any) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def loses_the_answer(proceed: Proceed, context: Any) -> bytes:
    """The call takes effect, and nobody learns of it."""
    await proceed()
    return await fails_with(grpc.StatusCode.UNAVAILABLE, "Socket closed")(proceed, context)


async def repeats_itself(proceed: Proceed, _context: Any) -> bytes:
    """The call takes effect twice, as if one that was given up on had arrived late."""
    await proceed()
    return await proceed()


def fails_with(code: grpc.StatusCode, details: str = "") -> Fault:
    async def fault(_proceed: Proceed, context: Any) -> bytes:
        await context.abort(code, details)
        raise AssertionError("abort raises")

    return fault


def refuses(code: pb.ErrorCode.ValueType, reason: str) -> Fault:
    """The engine answers with an error of the protocol, where a bare status is the answer."""

    async def fault(_proceed: Proceed, _context: Any) -> bytes:
        return pb.Status(error_code=code, reason=reason).SerializeToString()

    return fault


def once(fault: Fault) -> Fault:
    done = False

    async def first(proceed: Proceed, context: Any) -> bytes:
        nonlocal done
        if done:
            return await proceed()
        done = True
        return await fault(proceed, context)

    return first
