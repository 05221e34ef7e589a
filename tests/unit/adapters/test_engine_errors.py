"""What gRPC says about a call becomes words that a person can act on."""

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from quiver.adapters.milvus1.errors import error_for
from quiver.domain.access import Target
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable

ADDRESS = "10.1.2.3:19530"


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
    failure = AioRpcError(code, Metadata(), Metadata(), details=details)
    found = error_for(failure, Target(ADDRESS), 5.0)
    assert type(found) is error
    assert str(found) == words
