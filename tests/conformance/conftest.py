import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from clients.engine_process import EngineProcess
from clients.milvus1_stub import Milvus1
from fakes.engine import FakeEngines
from fakes.subject import Subject
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient

FAKE_ADDRESS = "fake:19530"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that all tests share; their collections have names of their own."""
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data") as running:
        yield running


@pytest.fixture(params=["fake", "driver"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        yield _fake()
        return
    process: EngineProcess = request.getfixturevalue("process")
    engines, writer = Milvus1Engines(), Milvus1(process.grpc_address)

    def write(name: str, rows: int, tag: str) -> None:
        vectors = np.random.default_rng(7).random((rows, 8), dtype=np.float32)
        assert writer.insert(name, vectors, tag=tag).status.error_code == 0
        assert writer.flush(name).error_code == 0

    async def insert(name: str, rows: int, tag: str) -> None:
        await asyncio.to_thread(write, name, rows, tag)

    yield Subject(engines, Target(process.grpc_address, "Quiver"), insert)
    writer.close()
    await engines.close()


@pytest.fixture
def client(subject: Subject) -> EngineClient:
    return subject.client


def _fake() -> Subject:
    engines = FakeEngines()
    server = engines.start(FAKE_ADDRESS, instance="0" * 32)

    async def insert(name: str, rows: int, tag: str) -> None:
        server.insert(name, rows, tag)

    return Subject(engines, Target(FAKE_ADDRESS, "Quiver"), insert)
