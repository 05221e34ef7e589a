"""What a tenant's server says stands in status, events and logs as one short clean line."""

import logging
from collections.abc import AsyncIterator

import grpc
import pytest

from quiver.control.observe.logs import log_formatter
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver_proto import milvus_pb2 as pb
from support.answers import take_away
from support.faulty_engine import Fault, FaultyEngine, Proceed, fails_with, refuses
from support.namespaces import Namespace, ready_condition
from support.operators import running

FORGED = "no\n2024-05-01T12:00:00.000Z ERROR   the lease is lost\r\x1b[31m\u202e\u2028\0\u0085"
LONG = FORGED + "x" * 60_000
MESSAGE, NOTE, LINE = 1024, 1024, 4096
"""The most characters of a condition's message, an event's note and a line of the log."""


def describes(name: str) -> Fault:
    """Return a fault: the server calls the collection something else."""

    async def fault(proceed: Proceed, _context: object) -> bytes:
        found = pb.CollectionSchema.FromString(await proceed())
        found.collection_name = name
        return found.SerializeToString()

    return fault


@pytest.fixture
async def faulty(world: Namespace) -> AsyncIterator[FaultyEngine]:
    """What the world's VectorEngine points to."""
    async with FaultyEngine(world.address) as engine:
        endpoints = {"external": {"endpoints": [engine.address]}}
        await world.patch("engine", {"spec": endpoints}, VECTOR_ENGINE)
        yield engine


def is_clean(text: str, limit: int) -> bool:
    return text.isprintable() and 0 < len(text) <= limit


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the operator's log, formatted in both ways, line by line as it ends up in a file."""
    records = [r for r in caplog.get_records("call") if r.name.startswith(("quiver", "grpc"))]
    formatters = (log_formatter("text"), log_formatter("json"))
    return [f.format(record) for record in records for f in formatters]


def check(manifest: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    """See that the condition and the log are clean, and that the server's words are among them."""
    message = ready_condition(manifest)["message"]
    assert is_clean(message, MESSAGE), message
    assert "the lease is lost" in message
    assert all(is_clean(line, LINE) for line in logged(caplog))
    assert all("ERROR   the lease" not in line for line in logged(caplog))


@pytest.mark.parametrize("words", [FORGED, LONG], ids=["forged", "long"])
async def test_a_refusal_is_told_in_one_line(
    world: Namespace, faulty: FaultyEngine, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    """Line breaks and control characters are taken out of an error of the protocol, and 60 KB
    become a sentence.
    """
    caplog.set_level(logging.DEBUG, "quiver")
    faulty.spoil(refuses(pb.ILLEGAL_ARGUMENT, words), "CreateCollection")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        check(await world.settled("docs", "EngineRefused"), caplog)


async def test_a_failed_call_is_told_in_one_line(
    world: Namespace, faulty: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of gRPC is the server's to word, too: in the engine's status as in the object's."""
    caplog.set_level(logging.DEBUG, "quiver")
    faulty.spoil(fails_with(grpc.StatusCode.PERMISSION_DENIED, FORGED))
    async with running(world.operator_api, world.engines):
        check(await world.settled("engine", "CredentialsRefused", VECTOR_ENGINE), caplog)
        await world.create_collection("docs")
        check(await world.settled("docs", "CredentialsRefused"), caplog)
        assert any("the lease is lost" in line for line in logged(caplog))


@pytest.mark.parametrize("words", [FORGED, LONG], ids=["forged", "long"])
async def test_what_a_server_calls_a_collection_is_told_in_one_line(
    world: Namespace, faulty: FaultyEngine, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    """In the object's status, and in the event that tells why the collection was left there."""
    caplog.set_level(logging.DEBUG, "quiver")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        faulty.spoil(describes(words), "DescribeCollection")
        await world.look_now("docs")
        check(await world.settled("docs", "SpecDiffers"), caplog)
        await take_away(world, "docs")
        note = (await world.told("docs", "Left"))["note"]
    assert is_clean(note, NOTE)
    assert "the lease is lost" in note
