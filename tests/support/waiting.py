"""Waiting for what comes about by itself: with a deadline, and a message that says what did not."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

DEADLINE_S = 90.0
"""Generous: a StatefulSet that replaces a pod which no node took has been seen to need over 30."""
POLL_S = 0.02

Found = TypeVar("Found")


async def eventually(holds: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true answer of `holds`, a coroutine function or not.

    The error names what did not come about.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = holds()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s:g} s")
        await asyncio.sleep(POLL_S)


def wait_until(
    holds: Callable[[], Found],
    what: str | Callable[[], str],
    deadline_s: float = DEADLINE_S,
    *,
    every_s: float = POLL_S,
) -> Found:
    """Return the first true answer of `holds`, in a test without a loop.

    The error names what did not come about: `what`, or what it returns by then.
    """
    end = time.monotonic() + deadline_s
    while not (answer := holds()):
        if time.monotonic() > end:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"{said}: not within {deadline_s:g} s")
        time.sleep(every_s)
    return answer
