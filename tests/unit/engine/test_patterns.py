"""Partition tags as regular expressions."""

import time

import pytest

from quiver_engine.calls import patterns
from quiver_engine.errors import RequestError

TAGS = ["2024", "2025-01", "2025-02", "a.b", "_default", "größe"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("2024", ["2024"]),
        ("2025.*", ["2025-01", "2025-02"]),
        ("202", []),
        (r"\d+", ["2024"]),
        ("2024|_default", ["2024"]),
        (".*", ["2024", "2025-01", "2025-02", "a.b", "größe"]),
        ("_default", ["_default"]),
        (r"a\.b", ["a.b"]),
        ("gr..e", ["größe"]),
        ("", []),
    ],
)
def test_a_pattern_names_the_tags_that_it_matches_whole(pattern: str, expected: list[str]) -> None:
    """A tag names itself; a regular expression names what it matches from end to end.

    No expression names `_default`.
    """
    assert patterns.matching([pattern], TAGS) == expected


def test_several_patterns_name_each_tag_once() -> None:
    """Tags come in the collection's order, however many patterns match them."""
    assert patterns.matching(["2025-02", "2025.*"], TAGS) == ["2025-01", "2025-02"]


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a+)+b", "(((a*)*)*)*b"])
def test_a_pattern_cannot_stall_the_engine(pattern: str) -> None:
    """What takes a backtracking matcher longer than a life is answered at once."""
    started = time.monotonic()
    assert patterns.matching([pattern], ["a" * 255]) == []
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "pattern", ["(", "a{2,1}", "(?=a)a", r"(a)\1", "(a{1,200}){1,200}b", "a" * 256 + "*"]
)
def test_a_pattern_outside_the_syntax_is_refused(pattern: str) -> None:
    """Broken or oversized patterns, lookaround, back-references: code 1, with the reason."""
    with pytest.raises(RequestError, match="not a regular expression this engine takes") as caught:
        patterns.matching([pattern], ["a"])
    assert caught.value.code == 1
