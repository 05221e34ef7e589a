"""A server that is told what to answer, and clients of it."""

from collections.abc import AsyncIterator

import pytest

from quiver.adapters.milvus.driver import MilvusEngines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient, Fields, Loads
from support.hostile_milvus import fields_of, loads_of
from support.scripted_milvus import At, ScriptedMilvus


@pytest.fixture
async def server() -> AsyncIterator[ScriptedMilvus]:
    async with ScriptedMilvus() as server:
        yield server


@pytest.fixture
async def at(server: ScriptedMilvus) -> AsyncIterator[At]:
    """Makes clients of the server."""
    engines = MilvusEngines()
    yield lambda login=None: engines.at(Target(server.address, "Milvus", login=login))
    await engines.close()


@pytest.fixture
def client(at: At) -> EngineClient:
    return at()


@pytest.fixture
def loads(client: EngineClient) -> Loads:
    return loads_of(client)


@pytest.fixture
def fields(client: EngineClient) -> Fields:
    return fields_of(client)
