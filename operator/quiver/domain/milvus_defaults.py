"""When two defaults of a field are the same to Milvus."""

import struct
from datetime import UTC, datetime, timedelta

from quiver.domain.milvus_fields import Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain_default(field: Field) -> object:
    """Return the default as Milvus compares it: `0.50` and `0.5` are one."""
    text = None if field.default is None else str(field.default)
    if text is None or field.type == "VarChar":
        return text
    if field.type == "Timestamptz":
        return _instant(text)
    if field.type == "Bool":
        return text.lower()
    try:
        if field.type in ("Float", "Double"):
            return _as_float32(float(text)) if field.type == "Float" else float(text)
        return int(text)
    except (ValueError, OverflowError):
        return text


def _instant(text: str) -> object:
    """Return the moment that is told, in whatever zone; UTC without one. A server may tell it in
    microseconds.
    """
    try:
        if text.removeprefix("-").isdecimal():
            return _EPOCH + timedelta(microseconds=int(text))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return text
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _as_float32(number: float) -> float:
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)
