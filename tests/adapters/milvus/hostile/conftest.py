"""A hostile server, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient
from support.hostile_server import HostileServer


@pytest.fixture
async def server() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def client(
    server: HostileServer, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[EngineClient]:
    """Nothing that it is answered may be called a bug."""
    engines = MilvusEngines()
    yield engines.at(Target(server.address, "Milvus"))
    await engines.close()
    # The server complains too, in the same log, when a client takes no more of an answer.
    records = [r for r in caplog.get_records("call") if "servicer method" not in r.message]
    assert [record.message for record in records if record.exc_info] == []
    assert all(r.message.isprintable() and len(r.message) < 400 for r in records)
