"""Partition tags as regular expressions that match a whole tag.

RE2 matches in linear time. Python's own matcher backtracks: a pattern such as `(a|a)*b` from a
client would block the whole process for years.
"""

from collections.abc import Iterable, Sequence

import re2

from quiver_engine.errors import RequestError
from quiver_engine.model import DEFAULT_TAG, MAX_PATTERNS_PER_SEARCH, MAX_TAGS_PER_SEARCH, TAG_BYTES
from quiver_proto import milvus_pb2 as pb

_PLAIN = re2.compile(r"[0-9A-Za-z_-]{1,255}")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def matching(patterns: Iterable[str], tags: Sequence[str]) -> list[str]:
    """Return the tags that one of the patterns matches as a whole.

    `_default` is matched by that name alone, as in Milvus.

    Raises RequestError UNEXPECTED_ERROR for an invalid pattern, or too many patterns.
    """
    wanted = dict.fromkeys(patterns)
    plain = {pattern for pattern in wanted if _PLAIN.fullmatch(pattern)}
    if len(wanted) > MAX_TAGS_PER_SEARCH or len(wanted) - len(plain) > MAX_PATTERNS_PER_SEARCH:
        raise RequestError(
            pb.UNEXPECTED_ERROR,
            f"{len(wanted)} partition tags, at most {MAX_TAGS_PER_SEARCH} are allowed, of which"
            f" {MAX_PATTERNS_PER_SEARCH} regular expressions: combine them with |",
        )
    compiled = [_compile(pattern) for pattern in wanted if pattern not in plain]
    return [
        tag
        for tag in tags
        if tag in plain
        or (tag != DEFAULT_TAG and any(pattern.fullmatch(tag) for pattern in compiled))
    ]


def _compile(pattern: str) -> re2._Regexp:
    if len(pattern.encode()) > TAG_BYTES:
        raise _refused(pattern, f"longer than {TAG_BYTES} bytes")
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        why = error.args[0]
        message = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise _refused(pattern, message) from error


def _refused(pattern: str, why: str) -> RequestError:
    return RequestError(
        pb.UNEXPECTED_ERROR,
        f"partition tag {pattern[:300]!r} is not a regular expression this engine takes: {why};"
        " name the tags, or use literals, sets, groups, | and repetition",
    )
