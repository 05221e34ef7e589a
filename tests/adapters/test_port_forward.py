"""The way to a pod, beside an API server that speaks the protocol of port-forwards."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType, web
from kubernetes.aio.client import Configuration

from quiver.adapters.kubernetes.connection import Connection
from quiver.adapters.kubernetes.port_forward import DATA, ERROR, PROTOCOL, PortForwards
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import Key

PORT = 19530
POD = Key("team-a", "engine-0")


async def answering(request: web.Request) -> web.WebSocketResponse:
    """Return what is sent, in capitals; of the pod `closed`, that it refuses."""
    assert request.query_string == f"ports={PORT}"
    socket = web.WebSocketResponse(protocols=(PROTOCOL,))
    await socket.prepare(request)
    for channel in (DATA, ERROR):
        await socket.send_bytes(bytes((channel,)) + struct.pack("<H", PORT))
    if request.match_info["name"] == "closed":
        await socket.send_bytes(bytes((ERROR,)) + b"connection refused")
    async for message in socket:
        if message.type is WSMsgType.BINARY and message.data[0] == DATA:
            await socket.send_bytes(bytes((DATA,)) + message.data[1:].upper())
    return socket


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/team-a/pods/{name}/portforward", answering)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    yield Connection(Configuration(host=f"http://{host}:{port}"), Metrics())
    await runner.cleanup()


async def opened(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_bytes_go_there_and_back(connection: Connection) -> None:
    """Without the port that begins each channel; a pod has one address for all connections."""
    async with PortForwards(connection) as forwards:
        address = await forwards.address(POD, PORT)
        assert await forwards.address(POD, PORT) == address
        for text in (b"a", b"b" * 100_000):
            reader, writer = await opened(address)
            writer.write(text)
            assert await reader.readexactly(len(text)) == text.upper()
            writer.close()


async def test_a_pod_that_refuses_ends_the_connection(connection: Connection) -> None:
    async with PortForwards(connection) as forwards:
        reader, writer = await opened(await forwards.address(Key("team-a", "closed"), PORT))
        assert await reader.read() == b""
        writer.close()


async def test_open_connections_hold_no_command_up(connection: Connection) -> None:
    """They end with it."""
    async with asyncio.timeout(20):
        async with PortForwards(connection) as forwards:
            reader, writer = await opened(await forwards.address(POD, PORT))
            writer.write(b"a")
            assert await reader.readexactly(1) == b"A"
        assert await reader.read() == b""
        writer.close()
