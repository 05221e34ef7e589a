"""How far an index is built, on servers that tell it and on servers that do not."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, IndexProgress, ObservedIndex
from quiver.domain.indexes import Index
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus_pb2 as pb
from support.grpc_server import RawServer
from support.milvus1_client import Milvus1
from support.waiting import eventually

SCHEMA = CollectionSchema(name="docs", dimension=64, index_file_size=64, metric_type="L2")
SLOW = Index(type="HNSW", params={"M": 64, "efConstruction": 512})
IVF = Index(type="IVF_FLAT", params={"nlist": 8})
BUILT = ObservedIndex(index=IVF)
MOST_WAITING = 64
"""Calls of CreateIndex that the engine lets wait."""
FULL = 2**20
"""Bytes of vectors in a full segment of `SilentServer`."""


@pytest.fixture
async def another(engine_process: EngineProcess) -> AsyncIterator[EngineClient]:
    """The client of another process."""
    engines = Milvus1Engines()
    yield engines.at(Target(engine_process.grpc_address, "Quiver"))
    await engines.close()


def insert(address: str, rows: int, name: str = SCHEMA.name) -> None:
    client = Milvus1(address)
    vectors = np.random.default_rng(1).normal(size=(rows, SCHEMA.dimension)).astype(np.float32)
    assert client.insert(name, vectors).status.error_code == pb.SUCCESS
    assert client.flush(name).error_code == pb.SUCCESS
    client.close()


async def test_quivers_engine_tells_each_process_how_far_it_is(
    engines: Milvus1Engines, engine_process: EngineProcess, another: EngineClient
) -> None:
    """Also one that did not begin the build; and rows that get no index yet are not counted."""
    await another.create(SCHEMA)
    await asyncio.to_thread(insert, engine_process.grpc_address, 8000)
    client = engines.at(Target(engine_process.grpc_address, "Quiver"))
    beginning = asyncio.ensure_future(client.set_index(SCHEMA.name, SLOW))
    progress = IndexProgress(built=0, total=1)

    async def is_building() -> bool:
        found = await another.describe_index(SCHEMA.name)
        return found == ObservedIndex(index=SLOW, progress=progress)

    await eventually(is_building, "the index is being built")
    await beginning

    async def is_built() -> bool:
        return (await another.describe_index(SCHEMA.name)).progress is None

    await eventually(is_built, "the index is built")
    await asyncio.to_thread(insert, engine_process.grpc_address, 5000)
    assert await another.describe_index(SCHEMA.name) == ObservedIndex(index=SLOW)
    await another.drop(SCHEMA.name)


async def test_builds_that_no_call_waits_for_are_told(
    engines: Milvus1Engines, engine_process: EngineProcess
) -> None:
    """The engine lets 64 calls wait, refuses others, and builds their indexes all the same."""
    client = engines.at(Target(engine_process.grpc_address, "Quiver"))
    names = [f"docs{number}" for number in range(MOST_WAITING + 2)]
    for schema in (SCHEMA, *(msgspec.structs.replace(SCHEMA, name=name) for name in names)):
        await client.create(schema)
    await asyncio.to_thread(insert, engine_process.grpc_address, 20_000)
    for name in names:
        await asyncio.to_thread(insert, engine_process.grpc_address, 4096, name)
    await client.set_index(SCHEMA.name, SLOW)
    outcomes = await asyncio.gather(
        *(client.set_index(name, IVF) for name in names), return_exceptions=True
    )
    refused = [
        name
        for name, outcome in zip(names, outcomes, strict=True)
        if isinstance(outcome, EngineRefused) and outcome.retriable
    ]
    assert refused
    for name in refused:
        found = await client.describe_index(name)
        assert (found.index, found.progress is None) == (IVF, False)
    await client.drop(SCHEMA.name)


class SilentServer(RawServer):
    """Answers as Milvus 1.x does, which does not tell what it builds."""

    def __init__(self) -> None:
        super().__init__()
        self.segments: list[dict[str, Any]] = []
        self.outcomes: asyncio.Queue[pb.Status] = asyncio.Queue()
        """How calls of CreateIndex end."""

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:  # noqa: ARG002 - inherited
        match path.rpartition("/")[2]:
            case "CreateIndex":
                return (await self.outcomes.get()).SerializeToString()
            case "DescribeIndex":
                params = [pb.KeyValuePair(key="params", value='{"nlist": 8}')]
                return pb.IndexParam(index_type=2, extra_params=params).SerializeToString()
            case "DescribeCollection":
                return pb.CollectionSchema(index_file_size=1).SerializeToString()
            case _:
                partition = {"tag": "_default", "row_count": 9, "segments": self.segments}
                info = json.dumps({"row_count": 9, "partitions": [partition]})
                return pb.CollectionInfo(json_info=info).SerializeToString()


@pytest.fixture
async def silent() -> AsyncIterator[SilentServer]:
    async with SilentServer() as server:
        yield server


@pytest.fixture
def client(engines: Milvus1Engines, silent: SilentServer) -> EngineClient:
    return engines.at(Target(silent.address, "Milvus1"))


def segment(rows: int, size: int, index_name: str = "IDMAP") -> dict[str, Any]:
    return {"name": "1", "row_count": rows, "index_name": index_name, "data_size": size}


@pytest.mark.parametrize(
    ("segments", "progress"),
    [
        ([], None),
        ([segment(4095, FULL)], None),
        ([segment(5000, FULL - 1)], None),
        ([segment(5000, FULL)], IndexProgress(built=0, total=1)),
        ([segment(5000, FULL, "IVFFLAT"), segment(5000, FULL)], IndexProgress(built=1, total=2)),
        ([segment(5000, FULL, "IVFFLAT"), segment(5000, 9)], None),
    ],
    ids=["no rows", "few rows", "growing", "full", "one of two", "built and growing"],
)
async def test_full_segments_are_counted_where_the_server_tells_nothing(
    client: EngineClient,
    silent: SilentServer,
    segments: list[dict[str, Any]],
    progress: IndexProgress | None,
) -> None:
    """Such a server indexes each segment that is full. One that grows must not wait for ever."""
    silent.segments = segments
    assert await client.describe_index("docs") == ObservedIndex(index=IVF, progress=progress)


async def test_a_call_under_way_counts_segments_that_are_not_full(
    client: EngineClient, silent: SilentServer
) -> None:
    """CreateIndex builds over them too, and answers when all are built."""
    silent.segments = [segment(5000, 9)]
    await client.set_index("docs", IVF)
    progress = IndexProgress(built=0, total=1)
    assert await client.describe_index("docs") == ObservedIndex(index=IVF, progress=progress)
    silent.outcomes.put_nowait(pb.Status())

    async def is_over() -> bool:
        return await client.describe_index("docs") == BUILT

    await eventually(is_over, "the call is over")


async def test_a_call_that_failed_is_told_until_one_succeeds(
    client: EngineClient, silent: SilentServer
) -> None:
    """A second or an hour after it began, and while it is made again."""
    silent.segments = [segment(5000, 9)]
    failure = pb.Status(error_code=pb.BUILD_INDEX_ERROR, reason="no\nroom")
    await client.set_index("docs", IVF)
    silent.outcomes.put_nowait(failure)

    async def has_failed() -> bool:
        found = await client.describe_index("docs")
        return found == ObservedIndex(index=IVF, failure="no room (BUILD_INDEX_ERROR)")

    await eventually(has_failed, "it is told")
    silent.outcomes.put_nowait(failure)
    with pytest.raises(EngineRefused):
        await client.set_index("docs", IVF)
    assert await has_failed()
    await client.set_index("docs", IVF)
    found = await client.describe_index("docs")
    assert (found.progress is None, found.failure is None) == (False, False)
    silent.outcomes.put_nowait(pb.Status())

    async def is_over() -> bool:
        return await client.describe_index("docs") == BUILT

    await eventually(is_over, "the call is over")


async def test_a_build_that_fails_in_the_same_way_is_logged_once(
    silent: SilentServer, client: EngineClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Quiver tries it again and again. Another reason is another line."""
    for reason in ("no room", "no room", "no memory"):
        silent.outcomes.put_nowait(pb.Status(error_code=pb.BUILD_INDEX_ERROR, reason=reason))
        with pytest.raises(EngineRefused):
            await client.set_index("docs", IVF)
    lines = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [line.rpartition(": ")[2] for line in lines] == [
        "no room (BUILD_INDEX_ERROR)",
        "no memory (BUILD_INDEX_ERROR)",
    ]
