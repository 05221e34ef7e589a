"""Partition tags as regular expressions."""

import random
import re
import time

import pytest

from quiver_engine import patterns
from quiver_engine.errors import RequestError

PIECES = ["a", "b", ".", "[ab]", "[^a]", "\\w", "\\d", "(a|b)", "(ab|a)", "^", "$", "(a*b)", "\\."]
REPEATS = ["", "*", "+", "?", "{2}", "{1,3}", "{0,}", "*?"]


def test_patterns_match_as_pythons_own_do() -> None:
    """Random patterns of the syntax taken match exactly the tags that re.fullmatch does."""
    random_ = random.Random(7)  # noqa: S311 - a fixed seed is the point
    for _ in range(3000):
        pieces = (
            random_.choice(PIECES) + random_.choice(REPEATS) for _ in range(random_.randint(1, 5))
        )
        pattern = "".join(piece for piece in pieces if piece[0] not in "^$" or len(piece) == 1)
        tags = ["".join(random_.choices("ab1.", k=random_.randint(0, 6))) for _ in range(8)]
        expected = [tag for tag in tags if re.fullmatch(pattern, tag)]
        assert patterns.matching([pattern], tags) == expected, pattern


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a+)+b", "(((a*)*)*)*b", "(a{1,200}){1,200}b"])
def test_patterns_that_backtrack_forever_elsewhere_end_soon(pattern: str) -> None:
    """What takes a backtracking matcher longer than a life is answered or refused in a second."""
    started = time.monotonic()
    try:
        assert patterns.matching([pattern], ["a" * 255]) == []
    except RequestError as error:
        assert "too many steps" in error.reason  # noqa: PT017 - either outcome will do
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "pattern", ["(", "a{2,1}", "(?i)a", "(?=a)a", r"(a)\1", r"\ba", "a" * 256 + "*"]
)
def test_patterns_outside_the_syntax_are_refused(pattern: str) -> None:
    """A broken pattern, flags, lookaround and back-references answer code 1 with the reason."""
    with pytest.raises(RequestError, match="not a regular expression this engine takes") as caught:
        patterns.matching([pattern], ["a"])
    assert caught.value.code == 1
