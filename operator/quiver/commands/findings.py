"""What `quiver check` finds: one line each, with what to do about it."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from quiver.domain.text import one_line

TEXT_LIMIT = 1500
Level = Literal["ok", "warning", "failed"]
_ORDER: tuple[Level, ...] = ("ok", "warning", "failed")


class Finding(msgspec.Struct, frozen=True):
    """`what` was looked at, `says` what was found, and `cure` what to do unless all is well."""

    level: Level
    what: str
    says: str
    cure: str = ""


def ok(what: str, says: str) -> Finding:
    return Finding("ok", what, one_line(says, TEXT_LIMIT))


def warning(what: str, says: str, cure: str) -> Finding:
    return Finding("warning", what, one_line(says, TEXT_LIMIT), one_line(cure, TEXT_LIMIT))


def failed(what: str, says: str, cure: str) -> Finding:
    return Finding("failed", what, one_line(says, TEXT_LIMIT), one_line(cure, TEXT_LIMIT))


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level there is."""
    return max((each.level for each in findings), key=_ORDER.index, default="ok")
