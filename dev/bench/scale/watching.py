"""A watch on all VectorCollections, which notes when each is Ready and when it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import msgspec

from quiver.adapters.kubernetes.connection import Connection

ALL = "/apis/quiver.dev/v1alpha1/vectorcollections"
RETRY_S = 0.1


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata
    status: _Status = _Status()


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: _Object


class Watcher:
    """Moments are those of `time.monotonic`, by an object's name."""

    def __init__(self) -> None:
        self.ready: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self.version = ""
        self._changed = asyncio.Event()

    async def until_gone(self, names: Sequence[str], deadline_s: float) -> None:
        missing = set(names)

        def holds() -> bool:
            missing.difference_update(self.gone)
            return not missing

        await self._until(holds, deadline_s)

    async def until_one_is_ready(self, name: str, deadline_s: float) -> float:
        await self._until(lambda: name in self.ready, deadline_s)
        return self.ready[name]

    async def _until(self, holds: Callable[[], bool], deadline_s: float) -> None:
        async with asyncio.timeout(deadline_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def note(self, line: bytes) -> None:
        event = _DECODER.decode(line)
        name = event.object.metadata.name
        if event.type == "ERROR":
            raise RuntimeError(f"the watch has lost its place: {line!r}")
        self.version = event.object.metadata.resource_version
        if event.type == "DELETED":
            self.gone[name] = time.monotonic()
        elif name not in self.ready and any(
            c.type == "Ready" and c.status == "True" for c in event.object.status.conditions
        ):
            self.ready[name] = time.monotonic()
        else:
            return
        self._changed.set()


_DECODER = msgspec.json.Decoder(_Event)


@asynccontextmanager
async def watching(connection: Connection) -> AsyncIterator[Watcher]:
    """Watch meanwhile; nothing may exist yet."""
    watcher = Watcher()
    async with connection.session() as session, asyncio.TaskGroup() as group:
        task = group.create_task(_watch(session, connection.server, watcher))
        yield watcher
        task.cancel()


async def _watch(session: aiohttp.ClientSession, server: str, watcher: Watcher) -> None:
    """Go on where the API server has cut the watch off, as it does with whoever is slow."""
    timeout = aiohttp.ClientTimeout(total=None)
    while True:
        url = f"{server}{ALL}?watch=1&resourceVersion={watcher.version}"
        async with session.get(url, timeout=timeout) as answer:
            if answer.status != HTTPStatus.OK:
                await asyncio.sleep(RETRY_S)  # a kind that is new is not served for a moment
                continue
            async for line in answer.content:
                watcher.note(line)
