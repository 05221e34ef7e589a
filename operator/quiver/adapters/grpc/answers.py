"""Bounds on lists of names, which hold before Python objects are made of them."""

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from quiver.adapters.grpc.errors import unreadable
from quiver.ports.errors import EngineRefused

Parsed = TypeVar("Parsed", bound=Message)

NAME_BYTES = 255 + 3
"""The longest name, and what protobuf puts before it."""
_BEFORE_NAME = b"\x12"
"""The byte before each name's length, in the lists of all protocols. The length of a name may be
the same byte.
"""


def parsed(raw: bytes, type_: type[Parsed], protocol: str) -> Parsed:
    """Return the message. Raises: EngineRefused for bytes that are no such message."""
    try:
        return type_.FromString(raw)
    except DecodeError as error:
        raise unreadable("the call", protocol) from error


def parsed_list(raw: bytes, type_: type[Parsed], most: int, protocol: str) -> Parsed:
    """Return a message with a list of names.

    Raises: EngineRefused for bytes that are no such message, or have more than `most` names.
    """
    if raw.count(_BEFORE_NAME) > 2 * most:
        raise too_many(most)
    return parsed(raw, type_, protocol)


def names_in(names: Sequence[str], most: int) -> frozenset[str]:
    """Return the names of a parsed list. Raises: EngineRefused if there are more than `most`."""
    if len(names) > most:
        raise too_many(most)
    return frozenset(names)


def too_many(most: int) -> EngineRefused:
    reason = (
        f"it lists more than the {most} names that Quiver reads; check what listens at this"
        " address, or remove what is not needed there"
    )
    return EngineRefused("TOO_MANY_NAMES", reason)
