"""Engines that take a call and do not answer: they must not keep every worker waiting."""

import asyncio
from typing import NamedTuple

from quiver.ports.errors import EngineError, EngineUnreachable

PAUSE_S = 10.0


class _Silence(NamedTuple):
    words: str
    next_call_at: float


class SilentAddresses:
    """Remembers which addresses let a call time out.

    Such an address gets one call per pause until it answers; the others fail at once. A thousand
    collections on an engine that hangs would otherwise take turns in holding all workers for a
    whole deadline each, and nobody else's would be looked after.
    """

    def __init__(self, pause: float = PAUSE_S) -> None:
        """`pause` is in seconds."""
        self._pause = pause
        self._silences: dict[str, _Silence] = {}

    def before_call(self, address: str) -> None:
        """Raises EngineUnreachable where the address is to be left alone for now.

        It says what it said when the call timed out: words that change with time would have each
        waiting object's status written again and again.
        """
        silence = self._silences.get(address)
        if silence is None:
            return
        now = asyncio.get_running_loop().time()
        if now < silence.next_call_at:
            raise EngineUnreachable(silence.words)
        self._silences[address] = silence._replace(next_call_at=now + self._pause)

    def answered(self, address: str) -> None:
        self._silences.pop(address, None)

    def timed_out(self, address: str, error: EngineError) -> None:
        now = asyncio.get_running_loop().time()
        self._silences[address] = _Silence(str(error), now + self._pause)
