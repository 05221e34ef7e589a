"""With the memory of the chart's limit and no more, the operator outlives what tenants do to it.

Each test is an attack: the operator goes on, another tenant's collection becomes Ready meanwhile,
and what is refused is said in a condition of the attacker's object.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from quiver_proto import milvus_pb2 as pb
from support.hostile_server import OK, HostileServer, always
from support.memory_limit import LimitedOperator, chart_limit, memory_cgroup
from support.namespaces import Namespace
from support.waiting import eventually

MIB = 2**20
SERVERS = 16
"""As many members as are asked for their collections at the same time."""


@pytest.fixture
def operator(operator_kubeconfig: Path, tmp_path: Path) -> Iterator[LimitedOperator]:
    """An operator that is not started yet. At the end it has run, and runs still."""
    with memory_cgroup(chart_limit()) as group:
        operator = LimitedOperator(
            group, operator_kubeconfig, tmp_path / "log", "--resync-period=2"
        )
        try:
            yield operator
            operator.check_alive()
            assert "this is a bug" not in operator.output
        finally:
            if operator.is_running:
                operator.kill()


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
    "1 MiB of empty names": b"\x12\x00" * (MIB // 2),
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
    operator: LimitedOperator,
    listing_servers: list[str],
) -> None:
    """Sixteen servers list at once as much as they can, whatever its form."""
    for number, address in enumerate(listing_servers):
        await neighbour.create(
            VECTOR_ENGINE, f"lists{number}", {"external": {"endpoints": [address]}}
        )
    operator.start()
    await world.create_collection("docs")
    await world.ready("docs")
    said = await neighbour.settled("lists0", "EngineRefused", VECTOR_ENGINE)
    assert "more than" in said["status"]["conditions"][0]["message"]
    await eventually(lambda: operator.output.count("more than") > 2 * SERVERS, "all listed twice")


OBJECTS = 200
TAGS = [f"{number:0255}" for number in range(400)]
"""A hundred KiB. The API server keeps them twice, in spec and managed fields."""
NOTE = "x" * 250_000
"""About as much as all annotations of an object may have."""


def batched(names: list[str], size: int = 8) -> Iterator[list[str]]:
    yield from (names[first : first + size] for first in range(0, len(names), size))


async def test_hundreds_of_stuffed_objects(
    world: Namespace, neighbour: Namespace, operator: LimitedOperator
) -> None:
    """Two hundred objects with all the annotations that they may have, and many tags, are listed
    again and again, and change.
    """
    names = [f"stuffed{number}" for number in range(OBJECTS)]
    spec = {"engineRef": {"name": "none"}, "dimension": 8, "partitions": TAGS}
    for few in batched(names):
        await asyncio.gather(
            *(neighbour.create(VECTOR_COLLECTION, n, spec, annotations={"note": NOTE}) for n in few)
        )
    operator.start()
    await world.create_collection("docs")
    await world.ready("docs")
    await neighbour.settled(names[-1], "EngineNotFound")
    note = {"metadata": {"annotations": {"quiver.dev/reconcile": "now", "note": NOTE[1:]}}}
    for few in batched(names[:80]):
        await asyncio.gather(*(neighbour.patch(name, note) for name in few))
    await world.create_collection("more")
    await world.ready("more")


ENGINES, ENDPOINTS = 100, 64


LOOKED_AT = {"closed": ENGINES, "silent": 16}
"""How many engines the test waits for: a look at one whose endpoints are silent takes 40 s, and
eight of a namespace are looked at together.
"""


@pytest.fixture(params=LOOKED_AT)
def dead_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port at which all loopback addresses refuse connections, or take them and say nothing."""
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))  # noqa: S104 - any loopback address leads here
        if request.param == "silent":
            listening.listen(4096)
        yield listening.getsockname()[1]


@pytest.fixture
def looked_at(request: pytest.FixtureRequest, dead_port: int) -> int:
    """Return how many of the engines to wait for."""
    return LOOKED_AT[request.node.callspec.params["dead_port"]]


async def test_thousands_of_dead_endpoints(
    world: Namespace,
    neighbour: Namespace,
    operator: LimitedOperator,
    dead_port: int,
    looked_at: int,
) -> None:
    """A hundred engines of 64 endpoints each, as many as one may have: they say that none answers,
    and another tenant's collections become Ready.
    """
    names = [f"dead{number}" for number in range(ENGINES)]
    for number, name in enumerate(names):
        endpoints = [f"127.9.{number}.{last + 1}:{dead_port}" for last in range(ENDPOINTS)]
        await neighbour.create(VECTOR_ENGINE, name, {"external": {"endpoints": endpoints}})
    operator.start()
    await world.create_collection("docs")
    await world.ready("docs")
    for name in sorted(names)[:looked_at]:
        said = await neighbour.settled(name, "EngineUnreachable", VECTOR_ENGINE)
        assert f"{ENDPOINTS} of {ENDPOINTS}" in said["status"]["conditions"][0]["message"]
    await world.create_collection("more")
    await world.ready("more")
