"""Partition tags as regular expressions that must match a whole tag.

Python's own matcher backtracks: a pattern such as `(a|a)*b` would hold the whole process for years.
This one follows all alternatives at once, as a set of positions, and counts its steps.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from quiver_engine.errors import RequestError
from quiver_engine.model import TAG_BYTES
from quiver_proto import milvus_pb2 as pb

_MAX_STEPS = 1_000_000
_PLAIN = re.compile(r"[\w-]*")
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda c: not c.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda c: not c.isspace(),
    op.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
    op.CATEGORY_NOT_WORD: lambda c: not (c.isalnum() or c == "_"),
}


def matching(patterns: Iterable[str], tags: Sequence[str]) -> list[str]:
    """Return the tags that one of the patterns matches as a whole; raises RequestError 1."""
    matcher = _Matcher()
    found: set[str] = set()
    for pattern in patterns:
        if _PLAIN.fullmatch(pattern):
            found |= {pattern} & set(tags)
        else:
            tree = _parse(pattern)
            found |= {tag for tag in tags if matcher.matches(tree, tag)}
    return [tag for tag in tags if tag in found]


def _parse(pattern: str) -> Any:
    if len(pattern.encode()) > TAG_BYTES:
        raise _refused(pattern, f"longer than {TAG_BYTES} bytes")
    try:
        tree = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _refused(pattern, str(error)) from error
    if tree.state.flags != re.UNICODE:
        raise _refused(pattern, "it sets flags")
    return tree


def _refused(pattern: str, why: str) -> RequestError:
    return RequestError(
        pb.UNEXPECTED_ERROR,
        f"partition tag {pattern[:300]!r} is not a regular expression this engine takes: {why};"
        " name the tags, or use literals, sets, groups, | and repetition",
    )


class _Matcher:
    def __init__(self) -> None:
        self._steps = 0
        self._pattern = ""
        self._text = ""

    def matches(self, tree: Any, text: str) -> bool:
        self._pattern, self._text = tree.state.str, text
        return len(text) in self._sequence(tree, {0})

    def _sequence(self, items: Any, starts: set[int]) -> set[int]:
        for code, argument in items:
            self._count(len(starts))
            starts = self._item(code, argument, starts)
        return starts

    def _count(self, steps: int) -> None:
        self._steps += 1 + steps
        if self._steps > _MAX_STEPS:
            raise _refused(self._pattern, "it takes too many steps to match")

    def _item(self, code: Any, argument: Any, starts: set[int]) -> set[int]:
        match code:
            case op.LITERAL | op.NOT_LITERAL | op.ANY | op.IN:
                text, end = self._text, len(self._text)
                return {i + 1 for i in starts if i < end and _accepts(code, argument, text[i])}
            case op.BRANCH:
                ends = [self._sequence(branch, starts) for branch in argument[1]]
                return {end for some in ends for end in some}
            case op.SUBPATTERN if not (argument[1] or argument[2]):
                return self._sequence(argument[-1], starts)
            case op.MAX_REPEAT | op.MIN_REPEAT:
                return self._repeat(argument, starts)
            case op.AT:
                return self._anchor(argument, starts)
        raise _refused(self._pattern, f"it has {str(code).lower()}")

    def _repeat(self, argument: Any, starts: set[int]) -> set[int]:
        least, most, body = argument
        # Beyond one round for each character nothing new can come.
        enough = len(self._text) + 1
        for _ in range(min(least, enough)):
            starts = self._sequence(body, starts)
        reached, fresh = starts, starts
        for _ in range(min(most - least, enough)):
            if not fresh:
                break
            fresh = self._sequence(body, fresh) - reached
            reached = reached | fresh
        return reached

    def _anchor(self, place: Any, starts: set[int]) -> set[int]:
        if place in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return starts & {0}
        if place in (op.AT_END, op.AT_END_STRING):
            return starts & {len(self._text)}
        raise _refused(self._pattern, f"it has {str(place).lower()}")


def _accepts(code: Any, argument: Any, character: str) -> bool:
    match code:
        case op.LITERAL:
            return bool(ord(character) == argument)
        case op.NOT_LITERAL:
            return bool(ord(character) != argument)
        case op.ANY:
            return character != "\n"
        case op.RANGE:
            return bool(argument[0] <= ord(character) <= argument[1])
        case op.CATEGORY:
            return _CATEGORIES[argument](character)
        case op.IN:
            negated = argument[0][0] is op.NEGATE
            return negated != any(
                _accepts(c, a, character) for c, a in argument if c is not op.NEGATE
            )
    raise AssertionError(code)
