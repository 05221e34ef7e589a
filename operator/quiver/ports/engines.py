"""Clients of engines' members, the same for every protocol."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Protocol

from quiver.domain.access import Target
from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedIndex,
    ObservedLoad,
)
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.troubles import EngineReport

NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


class Loads(Protocol):
    """What only engines have that search a collection once it is loaded: Milvus 2.x and later."""

    async def describe_load(self, name: str) -> ObservedLoad:
        """Return whether the collection is in memory, and how often."""

    async def load(self, name: str, replicas: int) -> None:
        """Begin to load the collection, or another number of copies. The engine goes on by itself.
        It refuses a collection without an index.
        """

    async def release(self, name: str) -> None:
        """Take the collection out of memory. It is no error if it is not there."""

    async def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        """Set some of the collection's properties, and delete others."""

    async def list_databases(self) -> frozenset[str]:
        """Return the names of all databases; `default` alone if the version has no others."""

    async def create_database(self, database: str) -> None:
        """Create the database. The engine refuses a name that exists."""


class Fields(Protocol):
    """What only engines have whose collections have fields: Milvus 2.x and later.

    Indexes are in Milvus' own words. An engine refuses what its version cannot do.
    """

    async def describe_indexes(self, name: str) -> Mapping[str, ObservedFieldIndex]:
        """Return the index of each field that has one."""

    async def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        """Build the index of a field, or replace the one that is there. One that has all that the
        index asks for stays, unless it is to be built `anew`.

        Returns once the engine has accepted the call. To replace the index of vectors, it releases
        a collection that is loaded.
        """

    async def drop_field_index(self, name: str, field: str) -> None:
        """Drop the index of a field that holds no vectors. It is no error if there is none."""

    async def add_field(self, name: str, field: Field) -> None:
        """Add a nullable field. The engine refuses a name that exists."""

    async def alter_field(self, name: str, field: str, changed: Mapping[str, str]) -> None:
        """Change what can change of a field, by Milvus' names (`Growth.altered`)."""

    async def add_function(self, name: str, function: Function, output: Field | None) -> None:
        """Add a function, together with its output field if that is new. The engine refuses a name
        that exists.
        """

    async def alter_function(self, name: str, function: Function) -> None:
        """Give a function other parameters."""


class EngineClient(Protocol):
    """One member (a pod, or an external endpoint). Every call has a deadline.

    A collection of another database than `default` has the name DATABASE/NAME.
    Raises: EngineUnreachable, EngineRefused (EngineDiskFull for want of room, DatabaseNotFound),
    EngineUnauthenticated, WrongEngine.
    """

    @property
    def loads(self) -> Loads | None:
        """What engines do that load collections; None for the others, which need no call for it."""

    @property
    def fields(self) -> Fields | None:
        """What engines do whose collections have fields; None for the others."""

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

    async def set_index(
        self, name: str, index: Index | None, metric_type: str | None = None
    ) -> None:
        """Build the collection's index, or replace it by brute force (None).

        `metric_type` is for engines whose indexes have it. Returns once the engine has accepted the
        call. The engine builds in the background. It releases a collection that is loaded.
        """

    async def search_once(self, schema: CollectionSchema) -> None:
        """Search each vector field of the collection once: it can be searched unless this fails."""

    async def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        """Create the collection, without partitions. The engine refuses a name that exists.

        Engines that have no properties ignore them.
        """

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
