"""The error codes of the Milvus 1.x protocol."""

from quiver.domain.text import one_line
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus_pb2 as pb

PROTOCOL = "Milvus 1.x"
RETRIABLE = frozenset({pb.UNEXPECTED_ERROR, pb.OUT_OF_MEMORY, pb.META_FAILED, pb.CACHE_FAILED})
"""What a server may answer now and not later; any other refusal stands until something changes."""


def require_success(status: pb.Status) -> None:
    """Raises: EngineRefused, with the server's code and reason."""
    code = status.error_code
    if code == pb.SUCCESS:
        return
    reason = one_line(status.reason) or "no reason given"
    # One name for all codes that the protocol does not have: metrics have a label of it.
    name = pb.ErrorCode.Name(code) if code in pb.ErrorCode.values() else "UNKNOWN_CODE"
    raise EngineRefused(name, reason, retriable=code in RETRIABLE)
