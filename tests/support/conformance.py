"""What the conformance suite is given to try."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from quiver.domain.access import Target
from quiver.ports.engines import EngineClient, Engines


@dataclass
class Subject:
    """An implementation of the port, a server that runs, and somebody who inserts vectors of
    dimension 8 there and waits until they are visible.
    """

    engines: Engines
    target: Target
    insert: Callable[[str, int, str], Awaitable[None]]

    @property
    def client(self) -> EngineClient:
        return self.engines.at(self.target)
