"""What Quiver's engine answers to `Cmd damaged`; other servers do not know the command."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quiver.domain.damage import NO_DAMAGE, DamagedSegments
from quiver.domain.text import one_line

ANSWER = 64 * 1024
"""Characters; the engine names 32 collections at most."""
COLLECTIONS = 32
NAME = 64
"""Characters of a collection's name, which a server makes up as it likes."""
Count = Annotated[int, Meta(ge=0, le=2**31)]


class _Answer(msgspec.Struct):
    segments: Count
    collections: dict[str, Count]


def damage_in(text: str) -> DamagedSegments:
    """Return what the answer says: nothing, if the server did not understand the question."""
    if len(text) > ANSWER:
        return NO_DAMAGE
    try:
        found = msgspec.json.decode(text, type=_Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return NO_DAMAGE
    some = list(found.collections.items())[:COLLECTIONS]
    return DamagedSegments(found.segments, {one_line(name, NAME): n for name, n in some})
