"""The members of engines, as the reconcilers see them, whatever protocol they speak."""

from typing import Protocol

from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex


class EngineClient(Protocol):
    """One member (a pod, or an external endpoint). Every call has a deadline.

    Raises: EngineUnreachable, EngineRefused, WrongEngine.
    """

    async def version(self) -> str:
        """Return what the server calls itself; the cheapest call that shows it answers."""

    async def instance(self) -> str | None:
        """Return the id of the engine's data directory; None if the server has none."""

    async def list_collections(self) -> frozenset[str]:
        """Return the names of all collections, foreign ones included."""

    async def describe(self, name: str) -> ObservedCollection | None:
        """Return the collection with its partitions, `_default` left out; None if there is none."""

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        """Return how many vectors the collection, or one of its partitions, holds."""

    async def describe_index(self, name: str) -> ObservedIndex:
        """Return the collection's index, with its progress while these engines have it built."""

    async def set_index(self, name: str, index: Index | None) -> None:
        """Have the collection's index built, or take its index away (None).

        Returns once the engine has accepted it. The engine goes on building in the background.
        """

    async def create(self, schema: CollectionSchema) -> None:
        """Create the collection, without partitions. Refused if one of that name exists."""

    async def drop(self, name: str) -> None:
        """Drop the collection. It is no error if there is none."""

    async def create_partition(self, name: str, tag: str) -> None:
        """Create the partition. Refused if it exists."""

    async def drop_partition(self, name: str, tag: str) -> None:
        """Drop the partition and its vectors. It is no error if there is none."""


class Engines(Protocol):
    """Hands out clients, which share connections."""

    def at(self, target: Target) -> EngineClient:
        """Return the client for the target, by the driver of its type, without connecting yet."""
