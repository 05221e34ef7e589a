"""Which calls are being answered at this moment."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """Numbers calls as they come."""

    def __init__(self) -> None:
        self._calls: dict[int, str] = {}
        self._numbers = itertools.count(1)

    @contextmanager
    def call(self, rpc: str) -> Iterator[None]:
        number = next(self._numbers)
        self._calls[number] = rpc
        try:
            yield
        finally:
            del self._calls[number]

    def names(self) -> list[str]:
        """Return calls as `Search-12`, oldest first, without those of Cmd, which asks."""
        return [f"{rpc}-{number}" for number, rpc in self._calls.copy().items() if rpc != "Cmd"]
