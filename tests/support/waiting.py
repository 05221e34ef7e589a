"""Waiting for what comes about by itself: with a deadline, and a message that says what did not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

DEADLINE_S = 90.0
"""Generous: a StatefulSet that replaces a pod which no node took has been seen to need over 30."""


async def eventually(
    holds: Callable[[], Awaitable[Any]], what: str, deadline_s: float = DEADLINE_S
) -> Any:
    """Return the first true answer of `holds`; the error names what did not come about."""
    end = time.monotonic() + deadline_s
    while True:
        answer = await holds()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline_s:g} s")
        await asyncio.sleep(0.03)
