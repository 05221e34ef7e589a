"""Partition tags as regular expressions that must match a whole tag.

RE2 matches in linear time. Python's own matcher backtracks: a client's pattern such as `(a|a)*b`
would hold the whole process for years.
"""

from collections.abc import Iterable, Sequence

import re2

from quiver_engine.errors import RequestError
from quiver_engine.model import TAG_BYTES
from quiver_proto import milvus_pb2 as pb

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def matching(patterns: Iterable[str], tags: Sequence[str]) -> list[str]:
    """Return the tags that one of the patterns matches as a whole; raises RequestError 1."""
    compiled = [_compile(pattern) for pattern in patterns]
    return [tag for tag in tags if any(pattern.fullmatch(tag) for pattern in compiled)]


def _compile(pattern: str) -> re2._Regexp:
    if len(pattern.encode()) > TAG_BYTES:
        raise _refused(pattern, f"longer than {TAG_BYTES} bytes")
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        why = error.args[0]
        told = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise _refused(pattern, told) from error


def _refused(pattern: str, why: str) -> RequestError:
    return RequestError(
        pb.UNEXPECTED_ERROR,
        f"partition tag {pattern[:300]!r} is not a regular expression this engine takes: {why};"
        " name the tags, or use literals, sets, groups, | and repetition",
    )
