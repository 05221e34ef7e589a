"""A wait returns what it waited for, or says what did not come about."""

import pytest

from support.waiting import eventually, wait_until


async def test_the_first_true_answer_is_returned() -> None:
    """Of a function, a coroutine function, in a loop and without one."""
    answers = iter([None, [], "there"])

    async def ask() -> object:
        return next(answers)

    assert await eventually(ask, "it is there") == "there"
    answers = iter([None, 0, "there"])
    assert await eventually(lambda: next(answers), "it is there") == "there"
    answers = iter([None, "", "there"])
    assert wait_until(lambda: next(answers), "it is there") == "there"


async def test_what_did_not_come_about_is_named() -> None:
    """A message may be made only then: it says how things stand by then."""
    with pytest.raises(AssertionError, match=r"^it is there: not within 0 s$"):
        await eventually(lambda: False, "it is there", 0)
    with pytest.raises(AssertionError, match=r"^2 are there, not 3: not within 0 s$"):
        wait_until(lambda: False, lambda: f"{1 + 1} are there, not 3", 0)
