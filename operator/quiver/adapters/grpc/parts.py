"""A bound on what an answer is made of, which holds before Python objects are made of it.

A message of two bytes takes some hundred as an object: a short answer may hold very many.
"""

from collections.abc import Iterator
from itertools import islice
from typing import cast

from google.protobuf.descriptor import Descriptor

from quiver.adapters.grpc.answers import Parsed, parsed
from quiver.adapters.grpc.errors import unreadable

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def parsed_parts(raw: bytes, type_: type[Parsed], most: int, what: str, protocol: str) -> Parsed:
    """Return the message about `what`.

    Raises: EngineRefused for bytes that are no such message, or that have more than `most` parts:
    the fields of the message and of all messages in it, each as often as it comes.
    """
    try:
        parts = _parts(raw, cast("Descriptor", type_.DESCRIPTOR))
        count = sum(1 for _ in islice(parts, most + 1))
    except (IndexError, ValueError) as error:
        raise unreadable("the call", protocol) from error
    if count > most:
        raise unreadable(what, protocol)
    return parsed(raw, type_, protocol)


def _parts(raw: bytes, descriptor: Descriptor) -> Iterator[int]:
    """Yield where each part begins. Raises: IndexError, ValueError if the bytes are no message."""
    todo = [(0, len(raw), descriptor)]
    while todo:
        at, end, of = todo.pop()
        while at < end:
            yield at
            tag, at = _varint(raw, at)
            begin, at = _value(raw, at, tag & 7)
            if at > end:
                raise ValueError("a part ends after the message that it is in")
            field = of.fields_by_number.get(tag >> 3)
            if field is not None and field.message_type is not None and tag & 7 == _BYTES:
                todo.append((begin, at, field.message_type))


def _value(raw: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return where the value begins, and where it ends."""
    if kind == _VARINT:
        return at, _varint(raw, at)[1]
    if kind == _BYTES:
        size, at = _varint(raw, at)
        return at, at + size
    if kind not in _FIXED:
        raise ValueError("groups are of no protocol")
    return at, at + _FIXED[kind]


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return the number, and where it ends."""
    number = 0
    for shift in range(_VARINT_BYTES):
        byte = raw[at + shift]
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return number, at + shift + 1
    raise ValueError("a number is too long")
