"""With the memory of the chart's limit and no more, the operator outlives what tenants write.

Each test is an attack: the operator goes on, another tenant's collection becomes Ready meanwhile,
and what is refused is said in a condition of the attacker's object.
"""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE
from support.memory_limit import LimitedOperator
from support.namespaces import Namespace

OBJECTS = 200
TAGS = [f"{number:0255}" for number in range(400)]
"""A hundred KiB. The API server keeps them twice, in spec and managed fields."""
NOTE = "x" * 250_000
"""About as much as all annotations of an object may have."""


def batched(names: list[str], size: int = 8) -> Iterator[list[str]]:
    yield from (names[first : first + size] for first in range(0, len(names), size))


async def test_hundreds_of_stuffed_objects(
    world: Namespace, neighbour: Namespace, limited_operator: LimitedOperator
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
    limited_operator.start()
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
    limited_operator: LimitedOperator,
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
    limited_operator.start()
    await world.create_collection("docs")
    await world.ready("docs")
    for name in sorted(names)[:looked_at]:
        said = await neighbour.settled(name, "EngineUnreachable", VECTOR_ENGINE)
        assert f"{ENDPOINTS} of {ENDPOINTS}" in said["status"]["conditions"][0]["message"]
    await world.create_collection("more")
    await world.ready("more")
