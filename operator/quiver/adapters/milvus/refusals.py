"""What servers refused after a collection was taken out of memory for it.

A server has one index for a field, and old ones have one number of replicas at a time: the driver
finds out what is refused only once what was there is gone. It brings that back, and does not try
the same again at the next reconcile: each attempt takes the collection out of service.
"""

import asyncio
from collections.abc import Callable

from quiver.ports.errors import EngineRefused

STANDS_S = 600.0
"""How long a refusal stands: the server may be another by then."""
MOST = 1024
"""How many refusals are remembered. Tenants decide how many there are."""

Attempt = tuple[str, str, bytes]
"""The server's address, the collection's name in the ports, and what was asked for."""


def _now() -> float:
    return asyncio.get_running_loop().time()


class Refusals:
    """The refusals of the last minutes, of all servers."""

    def __init__(self, now: Callable[[], float] = _now) -> None:
        """`now` returns seconds on a clock that never goes back."""
        self._now = now
        self._found: dict[Attempt, tuple[float, EngineRefused]] = {}

    def note(self, attempt: Attempt, error: EngineRefused) -> None:
        self._found.pop(attempt, None)
        self._found[attempt] = (self._now(), error)
        for oldest in list(self._found)[:-MOST]:
            del self._found[oldest]

    def check(self, attempt: Attempt) -> None:
        """Raises: EngineRefused, as the server did, if it refused the same just now."""
        since, error = self._found.get(attempt, (0.0, None))
        if error is not None and self._now() - since < STANDS_S:
            raise EngineRefused(error.code, error.reason, retriable=error.retriable)
