"""With the memory of the chart's limit and no more, the operator outlives what engines answer.

Each test is an attack: the operator goes on, and another tenant's collection becomes Ready.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from quiver_proto import milvus_pb2 as pb
from support.hostile_server import OK, HostileServer, always
from support.memory_limit import LimitedOperator
from support.namespaces import Namespace
from support.waiting import eventually

MIB = 2**20
SERVERS = 16
"""As many members as are asked for their collections at the same time."""


class Together:
    """Answers lists of collections with `raw`, to all who ask at the same time."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._asked = 0
        self._all = asyncio.Event()

    async def __call__(self) -> bytes:
        self._asked += 1
        if self._asked >= SERVERS:
            self._all.set()
        try:
            async with asyncio.timeout(3):
                await self._all.wait()
        except TimeoutError:
            pass
        return self._raw


class ListingServer(HostileServer):
    """Answers as an engine does, but for its list of collections."""

    def __init__(self, listing: Together) -> None:
        super().__init__()
        self.answer = always(OK, string_reply="1.1.1")
        self._listing = listing

    async def respond(self, path: str, request: bytes, context: object) -> bytes:
        if path.endswith("ShowCollections"):
            return await self._listing()
        return await super().respond(path, request, context)


NAMES = pb.CollectionNameList(collection_names=[f"{n:0250}" for n in range(66_000)])
LISTS = {
    "16 MiB of names": NAMES.SerializeToString(),
    "16 MiB of empty names": b"\x12\x00" * (8 * MIB - 8),
    "2 MiB of empty names": b"\x12\x00" * MIB,
}


@pytest.fixture(params=LISTS)
async def listing_servers(request: pytest.FixtureRequest) -> AsyncIterator[list[str]]:
    """The addresses of servers that list more collections than any engine has."""
    listing = Together(LISTS[request.param])
    async with AsyncExitStack() as stack:
        servers = [ListingServer(listing) for _ in range(SERVERS)]
        yield [(await stack.enter_async_context(server)).address for server in servers]


async def test_long_lists_of_collections(
    world: Namespace,
    neighbour: Namespace,
    limited_operator: LimitedOperator,
    listing_servers: list[str],
) -> None:
    """Sixteen servers list at once as much as they can, whatever its form."""
    for number, address in enumerate(listing_servers):
        await neighbour.create(
            VECTOR_ENGINE, f"lists{number}", {"external": {"endpoints": [address]}}
        )
    limited_operator.start()
    await world.create_collection("docs")
    await world.ready("docs")
    said = await neighbour.settled("lists0", "EngineRefused", VECTOR_ENGINE)
    assert "more than" in said["status"]["conditions"][0]["message"]
    await eventually(
        lambda: limited_operator.output.count("more than") > 2 * SERVERS, "all listed twice"
    )


NAMESPACES, ENGINES, COLLECTIONS = 4, 2, 16
"""More collections than may be looked at together: of all, of a namespace, and of an engine."""
WAVE_S = 2.0
LONGEST = MIB
INDEX = {"type": "IVF_FLAT", "params": {"nlist": 8}}
SEGMENTS = [{"row_count": 4096, "index_name": "IDMAP"}] * 24_000


class DescribingServer(HostileServer):
    """Has collections as Milvus has them, and tells of the segments of each as much as it can. All
    such servers answer at the same moments.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer = always(OK, string_reply="1.1.1")
        self.described = 0
        self._names: set[str] = set()
        info = {"partitions": [{"tag": "", "row_count": 0, "segments": SEGMENTS}]}
        text = json.dumps(info, separators=(",", ":"))
        self._info = pb.CollectionInfo(json_info=text).SerializeToString()
        assert 0.9 * LONGEST < len(self._info) < LONGEST

    async def respond(self, path: str, request: bytes, context: object) -> bytes:
        match path.rpartition("/")[2]:
            case "CreateCollection":
                self._names.add(pb.CollectionSchema.FromString(request).collection_name)
            case "DescribeCollection":
                return self._schema(pb.CollectionName.FromString(request).collection_name)
            case "DescribeIndex":
                params = pb.KeyValuePair(key="params", value=json.dumps(INDEX["params"]))
                return pb.IndexParam(index_type=2, extra_params=[params]).SerializeToString()
            case "ShowCollectionInfo":
                await asyncio.sleep(WAVE_S - asyncio.get_running_loop().time() % WAVE_S)
                self.described += 1
                return self._info
        return await super().respond(path, request, context)

    def _schema(self, name: str) -> bytes:
        if name not in self._names:
            missing = pb.Status(error_code=pb.COLLECTION_NOT_EXISTS)
            return pb.CollectionSchema(status=missing).SerializeToString()
        known = pb.CollectionSchema(
            collection_name=name, dimension=8, index_file_size=1024, metric_type=1
        )
        return known.SerializeToString()


@pytest.fixture
async def describing() -> AsyncIterator[list[DescribingServer]]:
    async with AsyncExitStack() as stack:
        servers = [DescribingServer() for _ in range(NAMESPACES * ENGINES)]
        yield [await stack.enter_async_context(server) for server in servers]


async def test_long_descriptions_of_segments(
    world: Namespace,
    neighbours: Iterator[Namespace],
    limited_operator: LimitedOperator,
    describing: list[DescribingServer],
) -> None:
    """Servers in four namespaces tell at once of as many segments as they can."""
    tenants = [next(neighbours) for _ in range(NAMESPACES)]
    names = [f"docs{number}" for number in range(COLLECTIONS)]
    for number, server in enumerate(describing):
        tenant, engine = tenants[number % NAMESPACES], f"engine{number}"
        await tenant.create(VECTOR_ENGINE, engine, {"external": {"endpoints": [server.address]}})
        spec = {"engineRef": {"name": engine}, "dimension": 8, "index": INDEX}
        for name in names:
            await tenant.create(VECTOR_COLLECTION, f"{name}-{engine}", spec)
    limited_operator.start()
    for number in range(len(describing)):
        of_engine = [f"{name}-engine{number}" for name in names]
        await tenants[number % NAMESPACES].ready(*of_engine)
        for name in of_engine:
            await tenants[number % NAMESPACES].look_now(name)

    async def all_told() -> bool:
        return all(server.described >= COLLECTIONS for server in describing)

    await eventually(all_told, "each server has told of each of its collections")
    await world.create_collection("docs")
    await world.ready("docs")
