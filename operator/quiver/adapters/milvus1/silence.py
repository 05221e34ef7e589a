"""Engines that take a call and do not answer: they must not keep every worker waiting."""

import asyncio

from quiver.ports.errors import EngineUnreachable

PAUSE_S = 10.0


class SilentAddresses:
    """Remembers which addresses let a call time out.

    Such an address gets one call per pause until it answers; the others fail at once. A thousand
    collections on an engine that hangs would otherwise take turns in holding all workers for a
    whole deadline each, and nobody else's would be looked after.
    """

    def __init__(self, pause: float = PAUSE_S) -> None:
        """`pause` is in seconds."""
        self._pause = pause
        self._next_call_at: dict[str, float] = {}

    def before_call(self, address: str) -> None:
        """Raises EngineUnreachable where the address is to be left alone for now."""
        due = self._next_call_at.get(address)
        if due is None:
            return
        now = asyncio.get_running_loop().time()
        if now < due:
            raise EngineUnreachable(
                f"{address} did not answer in time a moment ago; asking again in {due - now:.0f} s"
            )
        self._next_call_at[address] = now + self._pause

    def answered(self, address: str) -> None:
        self._next_call_at.pop(address, None)

    def timed_out(self, address: str) -> None:
        self._next_call_at[address] = asyncio.get_running_loop().time() + self._pause
