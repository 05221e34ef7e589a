"""Connections to pods through the API server, as `kubectl port-forward` makes them.

Over WebSocket, with the subprotocol v4.channel.k8s.io: the first byte of a message is its channel,
0 for data and 1 for an error's text. Each channel begins with the port, in two bytes.
"""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import aiohttp

from quiver.adapters.kubernetes.connection import USER_AGENT, Connection
from quiver.domain.kubernetes_types import Key

log = logging.getLogger(__name__)

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
CHUNK = 2**16
LONGEST_MESSAGE = 2**22
_PORT_BYTES = 2


class PortForwards:
    """Listens on loopback for each pod that is asked for, and forwards connections to it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stack = AsyncExitStack()
        self._listening: dict[tuple[Key, int], str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def address(self, pod: Key, port: int) -> str:
        """Return an address on loopback that leads to the pod's port.

        Whether the pod can be reached is seen by whoever connects.
        """
        if (pod, port) not in self._listening:
            if self._session is None:
                self._session = await self._stack.enter_async_context(self._connection.session())

            async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._forward(pod, port, reader, writer)

            server = await asyncio.start_server(forward, "127.0.0.1", 0)
            # Open connections end with the session: from Python 3.12 on, to wait for the server
            # would be to wait for whoever has connected.
            self._stack.callback(server.close)
            host, bound = server.sockets[0].getsockname()[:2]
            self._listening[pod, port] = f"{host}:{bound}"
        return self._listening[pod, port]

    async def _forward(
        self, pod: Key, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with await self._open(pod, port) as socket:
                sending = asyncio.create_task(_send(reader, socket))
                try:
                    await _receive(socket, writer)
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        except (aiohttp.ClientError, OSError) as error:
            log.debug("no way to pod %s: %s", pod, error)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _open(self, pod: Key, port: int) -> aiohttp.ClientWebSocketResponse:
        assert self._session is not None
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/portforward?ports={port}"
        return await self._session.ws_connect(
            self._connection.server + path,
            protocols=(PROTOCOL,),
            headers={"User-Agent": USER_AGENT, **await self._connection.authorization()},
            server_hostname=self._connection.configuration.tls_server_name,
            max_msg_size=LONGEST_MESSAGE,
        )


async def _send(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while content := await reader.read(CHUNK):
        await socket.send_bytes(bytes((DATA,)) + content)
    await socket.close()


async def _receive(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    begun = set[int]()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            return
        channel, content = message.data[0], message.data[1:]
        if channel not in begun:
            begun.add(channel)
            content = content[_PORT_BYTES:]
        if channel == ERROR and content:
            log.debug("a pod refused: %s", content[:CHUNK].decode(errors="replace"))
            return
        if channel == DATA and content:
            writer.write(content)
            await writer.drain()
