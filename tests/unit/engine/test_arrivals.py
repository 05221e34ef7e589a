"""Requests have to arrive in time, and only so many may be outstanding."""

import asyncio

import pytest

from quiver_engine.model import MIB
from quiver_engine.server.arrivals import Arrivals, patience_s

LONG_S = 30.0


async def never() -> bytes:
    return await asyncio.Event().wait() and b""


async def receive(arrivals: Arrivals, longest_s: float = LONG_S) -> bytes:
    async with arrivals.awaiting(never, longest_s) as read:
        return await read()


async def test_a_request_that_does_not_arrive_in_time_is_given_up() -> None:
    """Its call gets a TimeoutError."""
    with pytest.raises(TimeoutError):
        await receive(Arrivals(most=1), longest_s=0.01)


async def test_time_counts_from_the_read_on() -> None:
    """A request that the engine does not read yet is not late."""
    async with Arrivals(most=1).awaiting(never, 0.01):
        await asyncio.sleep(0.05)


async def test_one_too_many_ends_the_oldest() -> None:
    """The others stay, and what has arrived no longer counts."""
    arrivals = Arrivals(most=2)
    async with arrivals.awaiting(never, LONG_S):
        pass
    calls = [asyncio.ensure_future(receive(arrivals)) for _ in range(3)]
    done, waiting = await asyncio.wait(calls, timeout=LONG_S, return_when=asyncio.FIRST_COMPLETED)
    assert (done, waiting) == ({calls[0]}, set(calls[1:]))
    assert isinstance(calls[0].exception(), TimeoutError)
    for call in waiting:
        call.cancel()


def test_a_large_request_may_take_longer() -> None:
    """Ten seconds, and one more for each 4 MiB."""
    assert (patience_s(0), patience_s(320 * MIB)) == (10, 90)
