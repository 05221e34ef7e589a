"""The error codes of Milvus 2.2 to 3.x, which have two generations.

Each code has one name, a label of metrics. Servers from 2.3 on send `code`, and `error_code` for
old clients. Servers of 2.2 send `error_code` alone. milvus-lite sends an old code as both.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from quiver.adapters.grpc.logins import quoted
from quiver.domain.access import Login
from quiver.ports.errors import (
    DatabaseNotFound,
    EngineDiskFull,
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
)
from quiver_proto import milvus2_pb2 as pb

PROTOCOL = "Milvus 2.x"


class Code(NamedTuple):
    """The name of a code, and whether the same call may succeed later by itself."""

    name: str
    retriable: bool = False


COLLECTION_NOT_FOUND = "COLLECTION_NOT_FOUND"
PARTITION_NOT_FOUND = "PARTITION_NOT_FOUND"
INDEX_NOT_FOUND = "INDEX_NOT_FOUND"
DATABASE_NOT_FOUND = "DATABASE_NOT_FOUND"
UNEXPECTED = "UNEXPECTED_ERROR"
UNIMPLEMENTED = "UNIMPLEMENTED"
"""Also the name of gRPC's status for a method that the server does not have."""
EXISTS = "ALREADY_EXISTS"
"""A name of the driver's own: servers differ in what they do with a name that exists."""
NOT_FOUND = "NOT_FOUND"
"""A name of the driver's own, for a field or a function: servers have no code for it."""
ILLEGAL_PARAMETER = "ILLEGAL_PARAMETER"
INDEX_DUPLICATE = "INDEX_DUPLICATE"
_DISK = "DISK_LIMIT_EXCEEDED"
_UNAUTHENTICATED = frozenset({"NOT_AUTHENTICATED", "NOT_PERMITTED"})

CODES: Mapping[int, Code] = MappingProxyType(
    {
        1: Code("NOT_READY", True),
        2: Code("UNAVAILABLE", True),
        # Other collections are released, or grow smaller: the memory may come free by itself, and
        # the call has changed nothing.
        3: Code("MEMORY_LIMIT_EXCEEDED", True),
        4: Code("TOO_MANY_REQUESTS", True),
        5: Code("INTERNAL_ERROR", True),
        6: Code("CROSS_CLUSTER_ROUTING"),
        7: Code(_DISK, True),
        8: Code("RATE_LIMIT", True),
        9: Code("QUOTA_EXCEEDED"),
        10: Code(UNIMPLEMENTED),
        11: Code("TIME_TICK_LONG_DELAY", True),
        12: Code("RESOURCE_INSUFFICIENT", True),
        # It was there a call ago: somebody dropped or released it, and the next look says so.
        100: Code(COLLECTION_NOT_FOUND, True),
        101: Code("COLLECTION_NOT_LOADED", True),
        102: Code("TOO_MANY_COLLECTIONS"),
        103: Code("COLLECTION_NOT_FULLY_LOADED", True),
        104: Code("COLLECTION_LOADED"),
        105: Code("ILLEGAL_SCHEMA"),
        106: Code("COLLECTION_RECOVERING", True),
        109: Code("SCHEMA_MISMATCH"),
        110: Code("SCHEMA_NOT_READY", True),
        200: Code(PARTITION_NOT_FOUND, True),
        201: Code("PARTITION_NOT_LOADED", True),
        202: Code("PARTITION_NOT_FULLY_LOADED", True),
        250: Code("CAPACITY_EXCEEDED"),
        300: Code("RESOURCE_GROUP_NOT_FOUND"),
        301: Code("RESOURCE_GROUP_EXISTS"),
        302: Code("TOO_MANY_RESOURCE_GROUPS"),
        303: Code("ILLEGAL_RESOURCE_GROUP"),
        304: Code("NOT_ENOUGH_NODES"),
        305: Code("RESOURCE_GROUP_UNAVAILABLE", True),
        400: Code("REPLICA_NOT_FOUND", True),
        401: Code("REPLICA_NOT_AVAILABLE", True),
        503: Code("CHANNEL_NOT_AVAILABLE", True),
        605: Code("SEGMENT_RESOURCE_FAILED", True),
        700: Code(INDEX_NOT_FOUND),
        701: Code("INDEX_NOT_SUPPORTED"),
        702: Code(INDEX_DUPLICATE),
        800: Code(DATABASE_NOT_FOUND),
        801: Code("TOO_MANY_DATABASES"),
        802: Code("ILLEGAL_DATABASE_NAME"),
        1100: Code(ILLEGAL_PARAMETER),
        1101: Code("MISSING_PARAMETER"),
        1102: Code("PARAMETER_TOO_LARGE"),
        1400: Code("NOT_AUTHENTICATED"),
        1401: Code("NOT_PERMITTED"),
        1600: Code("ALIAS_NOT_FOUND"),
        1601: Code("ALIAS_NAME_CONFLICT"),
        1602: Code("ALIAS_EXISTS"),
        10000: Code("CANCELED", True),
        10001: Code("TIMEOUT", True),
        # The server does not say what failed, so it may pass.
        65535: Code(UNEXPECTED, True),
    }
)

OLD_CODES: Mapping[int, Code] = MappingProxyType(
    {
        1: CODES[65535],
        2: CODES[2],
        3: CODES[1401],
        4: CODES[100],
        5: CODES[1100],
        6: CODES[1100],
        7: Code("ILLEGAL_DIMENSION"),
        8: Code("ILLEGAL_INDEX_TYPE"),
        9: Code("ILLEGAL_COLLECTION_NAME"),
        15: Code("META_FAILED", True),
        21: Code("BUILD_INDEX_ERROR", True),
        22: CODES[1100],
        23: Code("ILLEGAL_METRIC_TYPE"),
        24: CODES[3],
        25: CODES[700],
        26: Code("BUILD_INDEX_ERROR", True),
        28: CODES[100],
        35: CODES[702],
        46: CODES[401],
        48: CODES[9],
        49: CODES[8],
        52: CODES[3],
        53: CODES[9],
        54: CODES[7],
        55: CODES[11],
        56: CODES[1],
        57: CODES[1],
        62: CODES[109],
    }
)
"""By `error_code`, with the names of today where they mean the same."""


def failure_of(status: pb.Status, login: Login | None) -> EngineError | None:
    """Return the error for a failed call, without the login; None for one that succeeded."""
    if status.code == 0 and status.error_code == 0:
        return None
    code = _code_of(status)
    name = "UNKNOWN_CODE" if code is None else code.name
    reason = quoted(status.reason, login) or "no reason given"
    if name == _DISK:
        return EngineDiskFull(name, reason)
    if name == DATABASE_NOT_FOUND:
        return DatabaseNotFound(name, reason)
    if name in _UNAUTHENTICATED:
        return EngineUnauthenticated(f"it denies the call: {reason} ({name})")
    retriable = status.retriable or (code is not None and code.retriable)
    return EngineRefused(name, reason, retriable=retriable)


def _code_of(status: pb.Status) -> Code | None:
    if status.code in (0, status.error_code):
        old = OLD_CODES.get(status.error_code)
        return old or CODES.get(status.code)
    return CODES.get(status.code)
