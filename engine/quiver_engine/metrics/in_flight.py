"""The calls that are being answered at this moment."""

import itertools

from quiver_engine.wire.rpc import Call


class InFlight:
    """Numbers calls in the order in which they arrive."""

    def __init__(self) -> None:
        self._calls: dict[Call, int] = {}
        self._numbers = itertools.count(1)

    def begin(self, call: Call) -> None:
        self._calls[call] = next(self._numbers)

    def end(self, call: Call) -> None:
        del self._calls[call]

    def count(self) -> int:
        return len(self._calls)

    def names(self) -> list[str]:
        """Return calls in flight as `Search-12`, oldest first, without calls of Cmd."""
        calls = self._calls.copy().items()
        return [f"{call.name}-{number}" for call, number in calls if call.name != "Cmd"]
