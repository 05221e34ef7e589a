"""What a server refused lately is not tried again."""

import pytest

from quiver.adapters.milvus.refusals import MOST, STANDS_S, Refusals
from quiver.ports.errors import EngineRefused

ERROR = EngineRefused("ILLEGAL_PARAMETER", "no", retriable=True)


class Clock:
    """Shows the time that a test sets."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_refusal_stands_for_some_minutes() -> None:
    """The server may be another by then. Other attempts, and other collections, are free."""
    clock = Clock()
    refusals = Refusals(clock)
    refusals.note(("a:1", "docs", b"x"), ERROR)
    clock.time = STANDS_S - 1
    with pytest.raises(EngineRefused, match="no") as found:
        refusals.check(("a:1", "docs", b"x"))
    assert (found.value.code, found.value.retriable) == (ERROR.code, True)
    for other in (("b:1", "docs", b"x"), ("a:1", "other", b"x"), ("a:1", "docs", b"y")):
        refusals.check(other)
    clock.time = STANDS_S
    refusals.check(("a:1", "docs", b"x"))


def test_the_oldest_of_too_many_is_forgotten() -> None:
    """Tenants decide how many there are. One that is noted again is new."""
    refusals = Refusals(Clock())
    attempts = [("a:1", "docs", str(number).encode()) for number in range(MOST + 1)]
    for attempt in (*attempts[:-1], attempts[0], attempts[-1]):
        refusals.note(attempt, ERROR)
    refusals.check(attempts[1])
    for attempt in (attempts[0], attempts[-1]):
        with pytest.raises(EngineRefused):
            refusals.check(attempt)
