"""Refusals of Milvus 2.x, as the driver makes them of the numbers that servers answer with."""

from quiver.adapters.milvus.errors import UNEXPECTED, failure_of
from quiver.ports.errors import EngineError, EngineRefused
from quiver_proto import milvus2_pb2 as pb

NOT_READY, MEMORY, RATE_LIMIT, QUOTA, UNIMPLEMENTED = 1, 3, 8, 9, 10
NO_COLLECTION, NOT_LOADED, LOADED = 100, 101, 104
NO_INDEX, NO_DATABASE, BAD_PARAMETER = 700, 800, 1100


def standing(reason: str) -> EngineRefused:
    """Return the refusal of what can never be: servers have no code for most of it."""
    return EngineRefused(UNEXPECTED, reason)


def refused(code: int, reason: str) -> EngineError:
    error = failure_of(pb.Status(code=code, reason=reason), None)
    assert error is not None
    return error
