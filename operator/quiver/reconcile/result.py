"""What a reconciler tells the loop that called it."""

from enum import Enum
from typing import Protocol

from quiver.domain.kubernetes_types import Key


class Result(Enum):
    DONE = "success"
    """Nothing to do until something changes."""

    RETRY = "requeue_after"
    """Come back after a while; the wait grows with every retry in a row."""


class Reconciler(Protocol):
    """Brings one object's world to what its spec says. Called again, it does what is left.

    Raises PortError: a call to the API failed. What engines answer ends in conditions.
    """

    async def reconcile(self, key: Key) -> Result: ...
