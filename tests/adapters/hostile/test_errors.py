"""A hostile server that fails: its reasons and details are no better than its answers."""

import asyncio
import os
import struct
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc.aio
import pytest

from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineError, EngineRefused
from quiver_proto import milvus_pb2 as pb
from support.hostile_server import (
    FORGED,
    SCHEMA,
    HostileServer,
    always,
    brief,
    check_all,
)


@pytest.mark.parametrize("code", [1, 4, 4711, -(2**31)])
@pytest.mark.parametrize(
    "reason",
    ["", FORGED, "\n" * 2**20, "x" * 2**20, "\x1b[31m" * 3 * 2**20, "x" * 2**24],
    ids=brief,
)
async def test_a_reason_is_one_short_line(
    server: HostileServer, client: EngineClient, code: int, reason: str
) -> None:
    """Whatever code a refusal has, known or not, and however long and odd its reason is."""
    status = pb.Status(error_code=code, reason=reason)  # type: ignore[arg-type]
    server.answer = always(status)
    await check_all(client)


async def test_codes_are_of_a_known_number(server: HostileServer, client: EngineClient) -> None:
    """Metrics have a label of the code, which a server cannot multiply."""
    codes = set()
    for code in range(100, 200):
        status = pb.Status(error_code=code)  # type: ignore[arg-type]
        server.answer = always(status)
        with pytest.raises(EngineRefused) as refused:
            await client.create(SCHEMA)
        codes.add(refused.value.code)
    assert codes == {"UNKNOWN_CODE"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
async def test_a_status_of_grpc_is_one_short_line(
    server: HostileServer, client: EngineClient, code: grpc.StatusCode
) -> None:
    """Details that a server gives are no better than reasons."""
    for details in ("", FORGED, "x" * 4000):
        server.failure = (code, details)
        await check_all(client)


async def test_details_need_not_be_text(engines: Milvus1Engines, client: EngineClient) -> None:
    """Details that are no UTF-8 are told as far as they are, and gRPC does not log them."""
    server = grpc.server(ThreadPoolExecutor(1))

    def abort(_request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.INTERNAL, b"\xff\nlost")
        raise AssertionError("abort raises")

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(abort)
    server.add_registered_method_handlers("milvus.grpc.MilvusService", {"Cmd": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(EngineError, match=r"failed: ÿ lost \(INTERNAL\)"):
        await engines.at(Target(f"127.0.0.1:{port}", "Quiver")).version()
    server.stop(None).wait()


ASK = """
import asyncio
import sys

import quiver.app
from quiver.adapters.grpc.calls import Deadlines
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.errors import EngineError

async def ask():
    engines = Milvus1Engines(Deadlines(read=1))
    try:
        await engines.at(Target(sys.argv[1], "Quiver")).version()
    except EngineError:
        print("failed")
    await engines.close()

asyncio.run(ask())
"""


async def test_grpc_itself_writes_nothing(hangs_up: str) -> None:
    """What a server says when it closes a connection is not written past the operator's log."""
    environment = {k: v for k, v in os.environ.items() if k != "GRPC_VERBOSITY"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ASK,
        hangs_up,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.communicate() == (b"failed\n", b"")


@pytest.fixture
async def hangs_up() -> AsyncIterator[str]:
    """The address of a server that closes each connection, with a word in HTTP/2's GOAWAY."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(24)
        word = struct.pack(">II", 2**31 - 1, 2) + FORGED.encode()
        settings, goaway = 4, 7
        for kind, payload in ((settings, b""), (goaway, word)):
            length = len(payload).to_bytes(3, "big")
            writer.write(length + bytes([kind, 0, 0, 0, 0, 0]) + payload)
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
