"""A hostile server, and a client of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient
from support.hostile_server import ENDLESS, INDEX, HostileServer


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def client(
    server: HostileServer,
    engines: Milvus1Engines,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[EngineClient]:
    """A client that has an index built; nothing that it is answered may be called a bug."""
    client = engines.at(Target(server.address, "Quiver"))
    building = asyncio.create_task(client.set_index(ENDLESS, INDEX))
    await server.is_building.wait()
    yield client
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    # The server complains too, in the same log, when a client takes no more of an answer.
    records = [r for r in caplog.get_records("call") if "servicer method" not in r.message]
    assert [record.message for record in records if record.exc_info] == []
    assert all(r.message.isprintable() and len(r.message) < 400 for r in records)
