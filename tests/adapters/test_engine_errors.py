"""What gRPC says about a call becomes words that a person can act on."""

import logging

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from quiver.adapters.grpc.errors import error_for
from quiver.adapters.milvus1.errors import require_success
from quiver.domain.access import Target
from quiver.ports.errors import (
    EngineDiskFull,
    EngineError,
    EngineRefused,
    EngineUnreachable,
    WrongEngine,
)
from quiver_proto import milvus_pb2 as pb

ADDRESS = "10.1.2.3:19530"


def error_of(
    code: grpc.StatusCode, details: str | None, instance: str | None = None
) -> EngineError:
    failure = AioRpcError(code, Metadata(), Metadata(), details=details)
    return error_for(failure, Target(ADDRESS, "Quiver", instance=instance), "Milvus 1.x", 5.0)


@pytest.mark.parametrize(
    ("code", "details", "error", "words"),
    [
        (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "Deadline Exceeded",
            EngineUnreachable,
            "10.1.2.3:19530 did not answer within 5 s",
        ),
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: Connection refused (111)",
            EngineUnreachable,
            "10.1.2.3:19530 cannot be reached: connection refused",
        ),
        (
            grpc.StatusCode.UNAVAILABLE,
            "DNS resolution failed for engine: Domain name not found",
            EngineUnreachable,
            "10.1.2.3:19530 cannot be reached: its name cannot be resolved",
        ),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            "Method not found!",
            EngineRefused,
            "10.1.2.3:19530 does not speak the Milvus 1.x protocol (UNIMPLEMENTED)",
        ),
        (
            grpc.StatusCode.INTERNAL,
            "broken frame",
            EngineUnreachable,
            "10.1.2.3:19530 failed: broken frame (INTERNAL)",
        ),
    ],
)
def test_plain_words(
    code: grpc.StatusCode, details: str, error: type[EngineError], words: str
) -> None:
    """The address and the cause are named; a refusal is told from an outage."""
    found = error_of(code, details)
    assert type(found) is error
    assert str(found) == words


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ("broken\nframe\x1b[31m", "10.1.2.3:19530 failed: broken frame [31m (INTERNAL)"),
        ("x" * 2**24, f"10.1.2.3:19530 failed: {'x' * 199}… (INTERNAL)"),
        ("\n\t", "10.1.2.3:19530 failed: no details (INTERNAL)"),
        (None, "10.1.2.3:19530 failed: no details (INTERNAL)"),
    ],
)
def test_a_servers_words_are_one_short_line(details: str | None, words: str) -> None:
    """Details that a server made up neither break lines nor fill a log."""
    assert str(error_of(grpc.StatusCode.INTERNAL, details)) == words


@pytest.mark.parametrize("code", list(grpc.StatusCode))
@pytest.mark.parametrize("details", ["a\nb" + "c" * 2**20, "", None])
def test_every_code_is_an_engine_error(code: grpc.StatusCode, details: str | None) -> None:
    """Whatever the code, the error is one printable line."""
    words = str(error_of(code, details))
    assert words.isprintable()
    assert ADDRESS in words
    assert len(words) < 300


def test_an_engine_that_is_another_says_so() -> None:
    """A call that named whom it is for, and was refused for that, is told from an outage."""
    code = grpc.StatusCode.FAILED_PRECONDITION
    error = error_of(code, "this is another engine", instance="0" * 32)
    assert type(error) is WrongEngine
    assert str(error) == "10.1.2.3:19530 is another engine than the one meant, and did nothing"
    assert type(error_of(code, "not now")) is EngineUnreachable


@pytest.mark.parametrize(
    ("details", "retriable"),
    [
        ("Concurrent RPC limit exceeded!", True),
        ("CLIENT: Received message larger than max (17 vs. 16)", False),
        ("Stream removed (CLIENT: Received message larger than max (17 vs. 16))", False),
    ],
)
def test_an_engine_that_is_busy_is_worth_another_try(details: str, retriable: bool) -> None:
    """Both have one code: a server with too many calls, and an answer that is too large to read."""
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
    assert isinstance(error, EngineRefused)
    assert error.retriable is retriable


@pytest.mark.parametrize(
    ("code", "retriable"),
    [
        ("UNEXPECTED_ERROR", True),
        ("CONNECT_FAILED", True),
        ("CANNOT_CREATE_FILE", True),
        ("CANNOT_DELETE_FOLDER", True),
        ("FILE_NOT_FOUND", True),
        ("OUT_OF_MEMORY", True),
        ("COLLECTION_NOT_EXISTS", True),
        ("ILLEGAL_DIMENSION", False),
        ("ILLEGAL_INDEX_TYPE", False),
        ("PERMISSION_DENIED", False),
    ],
)
def test_a_disk_that_is_full_or_a_server_without_its_database_is_worth_another_try(
    code: str, retriable: bool
) -> None:
    """A value that the server can never take is not."""
    with pytest.raises(EngineRefused) as refusal:
        require_success(pb.Status(error_code=pb.ErrorCode.Value(code), reason="no"))
    assert refusal.value.retriable is retriable


@pytest.mark.parametrize("logger", ["grpc._common", "grpc._cython.cygrpc"])
def test_grpc_complains_of_no_answer(logger: str, caplog: pytest.LogCaptureFixture) -> None:
    """What gRPC logs, with a traceback, of an answer that it cannot read is kept out of the log;
    whatever else it has to say is not.
    """
    for words in ("Exception deserializing message!", "Invalid encoding on %s", "the poller died"):
        logging.getLogger(logger).error(words, *["x"] * words.count("%s"))
    assert [record.message for record in caplog.records] == ["the poller died"]


@pytest.mark.parametrize("code", [pb.UNEXPECTED_ERROR, pb.BUILD_INDEX_ERROR, pb.ILLEGAL_DIMENSION])
def test_a_full_disk_may_have_room_later(code: pb.ErrorCode.ValueType) -> None:
    """Whatever the code is: the engine says besides that it had no room."""
    with pytest.raises(EngineDiskFull, match="no room") as refused:
        require_success(pb.Status(error_code=code, reason="no room", disk_full=True))
    assert refused.value.retriable
