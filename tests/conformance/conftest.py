import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient
from support.conformance import Subject
from support.fake_engine import FakeEngines
from support.milvus1_client import Milvus1

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
