"""What a reconciler is, and what it returns to the control loop."""

from enum import Enum
from typing import Protocol

from quiver.domain.kubernetes_types import Key


class Result(Enum):
    DONE = "success"
    """Do not requeue: there is nothing to do until something changes."""

    RETRY = "requeue_after"
    """Requeue after a delay, which grows with each retry in a row."""


class Reconciler(Protocol):
    """Makes the cluster and the engines match one object's spec. A next call does what is left.

    Raises PortError: a call to the API failed. A failed call to an engine becomes a condition.
    """

    async def reconcile(self, key: Key) -> Result: ...
