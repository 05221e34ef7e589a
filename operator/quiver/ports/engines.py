"""Clients of engines' members, the same for every protocol."""

from typing import Protocol

from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.domain.troubles import EngineReport


class EngineClient(Protocol):
    """One member (a pod, or an external endpoint). Every call has a deadline.

    Raises: EngineUnreachable, EngineRefused (EngineDiskFull for want of room), WrongEngine.
    """

    async def version(self) -> str:
        """Return the server's version: the cheapest call that shows that the server answers."""

    async def instance(self) -> str | None:
        """Return the id of the engine's data directory; None if the server has none."""

    async def report(self) -> EngineReport:
        """Return what the server serves in spite of: nothing, if it does not tell."""

    async def list_collections(self) -> frozenset[str]:
        """Return the names of all collections, including those that Quiver does not manage."""

    async def describe(self, name: str) -> ObservedCollection | None:
        """Return the collection and its partitions but `_default`; None if it does not exist."""

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        """Return how many vectors the collection, or its partition `tag`, holds."""

    async def describe_index(self, name: str) -> ObservedIndex:
        """Return the collection's index, with the progress of its build, whoever began it."""

    async def set_index(self, name: str, index: Index | None) -> None:
        """Build the collection's index, or drop it (None).

        Returns once the engine has accepted the call. The engine builds in the background.
        """

    async def create(self, schema: CollectionSchema) -> None:
        """Create the collection, without partitions. The engine refuses a name that exists."""

    async def drop(self, name: str) -> None:
        """Drop the collection. It is no error if it does not exist."""

    async def create_partition(self, name: str, tag: str) -> None:
        """Create the partition. The engine refuses a tag that exists."""

    async def drop_partition(self, name: str, tag: str) -> None:
        """Drop the partition and its vectors. It is no error if it does not exist."""


class Engines(Protocol):
    """Hands out clients, which share connections."""

    def at(self, target: Target) -> EngineClient:
        """Return a client for the target from the driver of its type. It connects at first use."""
