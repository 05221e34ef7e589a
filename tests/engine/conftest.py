from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from support.milvus1_client import Milvus1


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that a module's tests share; their collections have names of their own."""
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data") as process:
        yield process


@pytest.fixture(scope="module")
def client(engine: EngineProcess) -> Iterator[Milvus1]:
    connected = Milvus1(engine.grpc_address)
    yield connected
    connected.close()


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine for one test, which may kill it."""
    with EngineProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture
def connect() -> Iterator[Callable[[EngineProcess], Milvus1]]:
    """Connect to an engine, again after each of its starts."""
    open_clients: list[Milvus1] = []

    def connect_to(process: EngineProcess) -> Milvus1:
        open_clients.append(Milvus1(process.grpc_address))
        return open_clients[-1]

    yield connect_to
    for connected in open_clients:
        connected.close()
