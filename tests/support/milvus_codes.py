"""The refusals of Milvus 2.x, by the numbers that its servers answer with."""

from collections.abc import Mapping
from types import MappingProxyType

from quiver.ports.errors import DatabaseNotFound, EngineRefused

NOT_READY, MEMORY, RATE_LIMIT, QUOTA, UNIMPLEMENTED = 1, 3, 8, 9, 10
NO_COLLECTION, NOT_LOADED, LOADED = 100, 101, 104
NO_INDEX, BAD_INDEX, NO_DATABASE, BAD_PARAMETER, OTHER = 700, 701, 800, 1100, 65535

CODES: Mapping[int, tuple[str, bool]] = MappingProxyType(
    {
        NOT_READY: ("NOT_READY", True),
        MEMORY: ("MEMORY_LIMIT_EXCEEDED", False),
        RATE_LIMIT: ("RATE_LIMIT", True),
        QUOTA: ("QUOTA_EXCEEDED", False),
        UNIMPLEMENTED: ("UNIMPLEMENTED", False),
        NO_COLLECTION: ("COLLECTION_NOT_FOUND", True),
        NOT_LOADED: ("COLLECTION_NOT_LOADED", True),
        LOADED: ("COLLECTION_LOADED", False),
        NO_INDEX: ("INDEX_NOT_FOUND", False),
        BAD_INDEX: ("INDEX_NOT_SUPPORTED", False),
        NO_DATABASE: ("DATABASE_NOT_FOUND", False),
        BAD_PARAMETER: ("PARAMETER_INVALID", False),
        OTHER: ("UNKNOWN", False),
    }
)
"""The name of each code in messages and metrics, and whether the same call may succeed later."""


def refused(code: int, reason: str) -> EngineRefused:
    """Return the error that the driver makes of the code."""
    name, retriable = CODES[code]
    if code == NO_DATABASE:
        return DatabaseNotFound(name, reason)
    return EngineRefused(name, reason, retriable=retriable)
