"""Defaults of fields in the protocol, which has a kind of value for each type."""

import math
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from quiver.adapters.milvus.answers import cut
from quiver.adapters.milvus.errors import ILLEGAL_PARAMETER
from quiver.domain.milvus_fields import Field
from quiver.domain.text import one_line
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb

TEXT = 4096
"""Characters of a default. That of a spec is no longer."""
_BITS: Mapping[str, int] = MappingProxyType({"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64})
_TRUTHS: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})
_TEXTS = frozenset({"VarChar", "Timestamptz", "Geometry"})
"""Milvus reads the text of a moment or of a shape itself."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DIGITS = 9
"""So many digits tell any two numbers of 32 bits apart."""


def value_of(field: Field) -> pb.ValueField:
    """Return the default, which is there. Raises: EngineRefused for one that its type cannot have:
    a server may end at a value without data.
    """
    text, type_ = str(field.default), field.type
    try:
        if type_ in _BITS:
            return _whole(int(text), _BITS[type_])
        if type_ == "Float":
            return pb.ValueField(float_data=_finite(as_float32(float(text))))
        if type_ == "Double":
            return pb.ValueField(double_data=_finite(float(text)))
        if type_ == "Bool":
            return pb.ValueField(bool_data=_TRUTHS[text.lower()])
    except (ValueError, OverflowError, KeyError) as error:
        raise _impossible(field) from error
    if type_ not in _TEXTS:
        raise _impossible(field)
    return pb.ValueField(string_data=text)


def default_of(value: pb.ValueField) -> int | str | None:
    """Return the default that a server tells, as a spec says it; None for a value without data."""
    kind = value.WhichOneof("data")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "bool_data":
        return str(found).lower()
    if kind == "float_data":
        return _shortest(found)
    text = found[:TEXT].decode(errors="replace") if isinstance(found, bytes) else found
    if isinstance(text, str):
        return cut(text, TEXT)
    if kind == "timestamptz_data":
        return _moment(found)
    return found if isinstance(found, int) else repr(found)


def _moment(microseconds: int) -> int | str:
    """Return the moment in words; as it is if no calendar has it."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return microseconds


def as_float32(number: float) -> float:
    """Return the nearest number of 32 bits. Raises: OverflowError."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)


def _whole(number: int, bits: int) -> pb.ValueField:
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError("the number is too large for its type")
    is_long = bits == _BITS["Int64"]
    return pb.ValueField(long_data=number) if is_long else pb.ValueField(int_data=number)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("Milvus takes numbers that are finite")
    return number


def _shortest(number: float) -> str:
    """Return the shortest text of a number of 32 bits."""
    texts = (f"{number:.{digits}g}" for digits in range(1, _MOST_DIGITS))
    return next((t for t in texts if _is_same(float(t), number)), f"{number:.{_MOST_DIGITS}g}")


def _is_same(number: float, other: float) -> bool:
    try:
        return as_float32(number) == other
    except OverflowError:
        return False


def _impossible(field: Field) -> EngineRefused:
    reason = (
        f"the default {one_line(str(field.default), 64)!r} of field {field.name!r} is none of type"
        f" {field.type}: give one that is, or none"
    )
    return EngineRefused(ILLEGAL_PARAMETER, reason)
