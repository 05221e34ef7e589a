"""Another address of a server: whatever comes in goes there, and back."""

import asyncio
from contextlib import closing, suppress
from typing import Self


class Forwarder:
    """Another address of a server: whatever comes in goes there, and back."""

    def __init__(self) -> None:
        self._to = "", 0
        self._open: set[asyncio.Task[None]] = set()

    def lead_to(self, address: str) -> None:
        """Have connections end at the server of this HOST:PORT from now on."""
        host, _, port = address.rpartition(":")
        self._to = host, int(port)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError):
            there, back = await asyncio.open_connection(*self._to)
            with closing(back):
                await asyncio.gather(_copied(reader, back), _copied(there, writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(2**16):
        writer.write(some)
        await writer.drain()
    writer.close()
