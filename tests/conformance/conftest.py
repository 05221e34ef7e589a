"""The subjects of the suite: implementations of the engine port, each over a server that runs.

Another one is a coroutine in `SUBJECTS`, and in `LOADING` if it loads collections.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from machine.milvus_servers import MilvusLiteServer, MilvusServer
from machine.paths import platform_name
from quiver.adapters.milvus.driver import MilvusEngines
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.ports.engines import EngineClient
from support.conformance import Subject, Traits
from support.fake_engine import FakeEngines
from support.milvus1_client import Milvus1
from support.milvus_client import Milvus
from support.milvus_server.server import FakeMilvusServer
from support.traits import (
    MILVUS_1,
    MILVUS_2_3,
    MILVUS_2_4,
    MILVUS_2_5,
    MILVUS_2_6,
    MILVUS_3_0,
    MILVUS_LITE,
)

FAKE_ADDRESS = "fake:19530"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that all tests share; their collections have names of their own."""
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """Milvus 2.3.5, which all tests share."""
    if platform_name() != "linux-amd64":
        pytest.skip("milvus 2.3.5 is built for Linux on x86-64 alone")
    with MilvusServer(tmp_path_factory.mktemp("milvus")) as running:
        yield running


@pytest.fixture(scope="session")
def milvus_lite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusLiteServer]:
    with MilvusLiteServer(tmp_path_factory.mktemp("milvus-lite")) as running:
        yield running


@asynccontextmanager
async def _fake(_request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    engines = FakeEngines()
    server = engines.start(FAKE_ADDRESS, instance="0" * 32)

    async def insert(name: str, rows: int, tag: str) -> None:
        server.insert(name, rows, tag)

    yield Subject(engines, Target(FAKE_ADDRESS, "Quiver"), insert, MILVUS_1)


@asynccontextmanager
async def _port(traits: Traits) -> AsyncIterator[Subject]:
    """A Milvus of the version, behind the port."""
    engines = FakeEngines()
    server = engines.start_milvus(FAKE_ADDRESS)
    server.told_version = traits.version
    server.query_nodes = 1

    async def insert(name: str, rows: int, tag: str) -> None:
        server.insert(name, rows, tag)

    async def alias(name: str, other: str) -> None:
        server.found(name).aliases.add(other)

    yield Subject(engines, Target(FAKE_ADDRESS, "Milvus"), insert, traits, alias)


@asynccontextmanager
async def _wire(traits: Traits) -> AsyncIterator[Subject]:
    """A Milvus of the version, behind its protocol."""
    server = FakeMilvusServer(version=traits.version, has_storage_v3=True)
    async with server as running, _over(running.address, traits) as subject:
        yield subject


@asynccontextmanager
async def _quiver(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    process: EngineProcess = request.getfixturevalue("process")
    engines, writer = Milvus1Engines(), Milvus1(process.grpc_address)

    def write(name: str, rows: int, tag: str) -> None:
        vectors = np.random.default_rng(7).random((rows, 8), dtype=np.float32)
        assert writer.insert(name, vectors, tag=tag).status.error_code == 0
        assert writer.flush(name).error_code == 0

    async def insert(name: str, rows: int, tag: str) -> None:
        await asyncio.to_thread(write, name, rows, tag)

    yield Subject(engines, Target(process.grpc_address, "Quiver"), insert, MILVUS_1)
    writer.close()
    await engines.close()


@asynccontextmanager
async def _over(address: str, traits: Traits) -> AsyncIterator[Subject]:
    engines, user = MilvusEngines(), Milvus(address)

    async def insert(name: str, rows: int, tag: str) -> None:
        await asyncio.to_thread(user.insert, name, rows, tag)

    async def alias(name: str, other: str) -> None:
        await asyncio.to_thread(user.create_alias, name, other)

    yield Subject(engines, Target(address, "Milvus"), insert, traits, alias)
    user.close()
    await engines.close()


def _milvus(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    server: MilvusServer = request.getfixturevalue("milvus_server")
    return _over(server.address, MILVUS_2_3)


def _milvus_lite(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    server: MilvusLiteServer = request.getfixturevalue("milvus_lite_server")
    return _over(server.address, MILVUS_LITE)


Start = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Subject]]
PORTS: Mapping[str, Start] = {
    "port-2.6": lambda _: _port(MILVUS_2_6),
    "port-3.0": lambda _: _port(MILVUS_3_0),
}
"""Of these versions the fake has other codes than a server, for what can never be."""
OLD_WIRES: Mapping[str, Start] = {
    "wire-2.4": lambda _: _wire(MILVUS_2_4),
    "wire-2.5": lambda _: _wire(MILVUS_2_5),
}
SUBJECTS: Mapping[str, Start] = {
    "fake": _fake,
    "fake-milvus": lambda _: _port(MILVUS_2_3),
    "driver": _quiver,
    "milvus": _milvus,
    "milvus-lite": _milvus_lite,
    "wire-2.6": lambda _: _wire(MILVUS_2_6),
    "wire-3.0": lambda _: _wire(MILVUS_3_0),
}
ALL: Mapping[str, Start] = {**SUBJECTS, **PORTS, **OLD_WIRES}
LOADING = ("fake-milvus", "milvus", "milvus-lite", "wire-2.6", "wire-3.0")
FIELDS = (*LOADING, *PORTS, *OLD_WIRES)
ONE_WORKER = ("milvus", "milvus-lite")
"""Their servers take seconds to start, and hundreds of MB."""


def _params(names: tuple[str, ...]) -> list[object]:
    group = pytest.mark.xdist_group("milvus")
    return [pytest.param(n, marks=[group] if n in ONE_WORKER else []) for n in names]


@pytest.fixture(params=_params(tuple(SUBJECTS)))
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param](request) as started:
        yield started


@pytest.fixture(params=_params(LOADING))
async def loading(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A subject that loads collections."""
    async with SUBJECTS[request.param](request) as started:
        yield started


@pytest.fixture(params=_params(FIELDS))
async def whole(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A subject whose collections have fields, of any version that there is to try."""
    async with ALL[request.param](request) as started:
        yield started


@pytest.fixture
def client(subject: Subject) -> EngineClient:
    return subject.client


@pytest.fixture
def traits(subject: Subject) -> Traits:
    return subject.traits


@pytest.fixture
def schema(subject: Subject) -> CollectionSchema:
    return subject.schema(f"c_{uuid.uuid4().hex[:8]}")
