"""What Quiver's engine answers to `Cmd report`; other servers do not know the command."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quiver.domain.damage import DamagedSegments
from quiver.domain.text import one_line
from quiver.domain.troubles import NO_REPORT, EngineReport

ANSWER = 64 * 1024
"""Characters; the engine names 32 collections at most."""
COLLECTIONS = 32
NAME = 64
"""Characters of a collection's name, which a server makes up as it likes."""
WHY = 300
"""Characters of why it uses no GPU."""
Count = Annotated[int, Meta(ge=0, le=2**31)]
Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Damaged(msgspec.Struct):
    segments: Count
    collections: dict[str, Count]


class _Disk(msgspec.Struct):
    full: bool
    total: Bytes


class _Answer(msgspec.Struct):
    damaged: _Damaged
    disk: _Disk
    why_no_gpu: str | None


def report_in(text: str) -> EngineReport:
    """Return what the answer says: nothing, if the server did not understand the question."""
    if len(text) > ANSWER:
        return NO_REPORT
    try:
        found = msgspec.json.decode(text, type=_Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return NO_REPORT
    some = list(found.damaged.collections.items())[:COLLECTIONS]
    return EngineReport(
        damaged=DamagedSegments(
            found.damaged.segments, {one_line(name, NAME): count for name, count in some}
        ),
        full_disk=found.disk.total if found.disk.full else None,
        why_no_gpu=None if found.why_no_gpu is None else one_line(found.why_no_gpu, WHY),
    )
