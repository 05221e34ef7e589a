"""The error codes of the Milvus 1.x protocol."""

from quiver.domain.text import one_line
from quiver.ports.errors import EngineDiskFull, EngineRefused
from quiver_proto import milvus_pb2 as pb

PROTOCOL = "Milvus 1.x"
RETRIABLE = frozenset(
    {
        pb.UNEXPECTED_ERROR,
        pb.CONNECT_FAILED,
        # It was there a call ago: somebody dropped it, and the next look says so.
        pb.COLLECTION_NOT_EXISTS,
        # The server's disk: full, or a file of it was missing for a moment.
        pb.FILE_NOT_FOUND,
        pb.CANNOT_CREATE_FOLDER,
        pb.CANNOT_CREATE_FILE,
        pb.CANNOT_DELETE_FOLDER,
        pb.CANNOT_DELETE_FILE,
        pb.META_FAILED,
        pb.CACHE_FAILED,
        pb.OUT_OF_MEMORY,
    }
)
"""Errors that may go away by themselves. Any other refusal stands until something changes."""


def require_success(status: pb.Status) -> None:
    """Raises: EngineRefused, with the server's code and reason."""
    code = status.error_code
    if code == pb.SUCCESS:
        return
    reason = one_line(status.reason) or "no reason given"
    # One name for all codes that the protocol does not define, since it is a label of metrics.
    name = pb.ErrorCode.Name(code) if code in pb.ErrorCode.values() else "UNKNOWN_CODE"
    if status.disk_full:
        raise EngineDiskFull(name, reason)
    raise EngineRefused(name, reason, retriable=code in RETRIABLE)
