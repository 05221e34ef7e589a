"""Reads single fields out of a serialized message, where a parser would decode all of it.

Keys, lengths and types are those of the protobuf documentation, "Encoding".
"""

from quiver_engine.model import NAME_BYTES

DELIMITED = 2
MAX_VARINT_BYTES = 10
_SEARCH_IN_FILES_KEY = 2 << 3 | DELIMITED
_MAX_FIELDS = 10_000
_MAX_FILES_BEFORE_SEARCH = 1000


def first_text(raw: bytes) -> bytes:
    """Return a message's first text, which in most is the collection's name; b"" if it has none."""
    try:
        length, start = read_varint(raw, 1)
    except (IndexError, ValueError):
        return b""
    is_text = raw[0] & 7 == DELIMITED and length <= NAME_BYTES
    return raw[start : start + length] if is_text else b""


def searched_in_files(raw: bytes) -> bytes:
    """Return the name of the collection in a SearchInFilesParam.

    Return b"" where it follows a thousand names of files: reading them would take too long.
    """
    try:
        start = find(raw, _SEARCH_IN_FILES_KEY, _MAX_FILES_BEFORE_SEARCH)
        _, start = read_varint(raw, start + 1)
    except (IndexError, ValueError):
        return b""
    return first_text(raw[start : start + NAME_BYTES + MAX_VARINT_BYTES])


def has(raw: bytes, key: int) -> bool:
    try:
        find(raw, key)
    except (IndexError, ValueError):
        return False
    return True


def find(raw: bytes, key: int, most: int = _MAX_FIELDS) -> int:
    """Return the position of the first field with this key, which at most `most` others precede.

    Raises ValueError or IndexError when there is none.
    """
    position = 0
    for _ in range(most):
        found, value = read_varint(raw, position)
        if found == key:
            return position
        position = _after_field(raw, value, found & 7)
    raise ValueError("too many fields before it")


def _after_field(raw: bytes, position: int, wire_type: int) -> int:
    match wire_type:
        case 0:
            return read_varint(raw, position)[1]
        case 1:
            return position + 8
        case 2:
            length, start = read_varint(raw, position)
            return start + length
        case 5:
            return position + 4
    raise ValueError(f"wire type {wire_type}")


def read_varint(raw: bytes, position: int) -> tuple[int, int]:
    """Return the value at a position and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("varint longer than ten bytes")


def encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
