"""Calls to one server: its databases and collections, and what fails in an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from quiver.adapters.grpc.answers import names_in, parsed_list, too_many
from quiver.adapters.grpc.calls import Caller, Deadlines
from quiver.adapters.grpc.channels import Channels
from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.grpc.logins import authorization
from quiver.adapters.grpc.parts import parsed_parts
from quiver.adapters.milvus.answers import (
    MOST_COLLECTIONS,
    MOST_DATABASES,
    MOST_ENTRIES,
    MOST_PARTITIONS,
    MOST_PARTS,
    BoundedStub,
)
from quiver.adapters.milvus.errors import (
    COLLECTION_NOT_FOUND,
    DATABASE_NOT_FOUND,
    INDEX_NOT_FOUND,
    PROTOCOL,
    UNEXPECTED,
    UNIMPLEMENTED,
    failure_of,
)
from quiver.adapters.milvus.names import DEFAULT_DATABASE, Place
from quiver.domain.access import Target
from quiver.domain.text import one_line
from quiver.ports.errors import DatabaseNotFound, EngineRefused, EngineUnreachable
from quiver_proto import milvus2_pb2 as pb

if TYPE_CHECKING:
    from quiver.adapters.grpc.calls import Pick, Request

DEFAULT_PARTITION = "_default"

AnswerWithStatus = TypeVar("AnswerWithStatus", bound="HasStatus")


class HasStatus(Protocol):
    """An answer with a status and more."""

    @property
    def status(self) -> pb.Status: ...


class Calls:
    """The calls of one client. Each has a deadline, and raises the errors of the ports for what
    failed in the transport or by the answer.
    """

    def __init__(
        self, channels: Channels[BoundedStub], target: Target, deadlines: Deadlines
    ) -> None:
        login = target.login
        metadata = None if login is None else (authorization(login),)
        self._caller = Caller(channels, target, PROTOCOL, metadata)
        self._target = target
        self.deadlines = deadlines
        self._known = {DEFAULT_DATABASE}
        """Databases that were there a moment ago: a client is made for a reconcile."""

    @property
    def address(self) -> str:
        return self._target.address

    async def read(
        self, pick: Pick[BoundedStub, Request, AnswerWithStatus], request: Request
    ) -> AnswerWithStatus:
        """Return the answer. Raises: EngineError."""
        answer = await self._caller.call(pick, request, self.deadlines.read)
        self._require_success(answer.status)
        return answer

    async def change(self, pick: Pick[BoundedStub, Request, pb.Status], request: Request) -> None:
        """Raises: EngineError."""
        self._require_success(await self._caller.call(pick, request, self.deadlines.change))

    async def slow_read(
        self, pick: Pick[BoundedStub, Request, AnswerWithStatus], request: Request
    ) -> AnswerWithStatus:
        """Return the answer to a call for which the server writes to disk. Raises: EngineError."""
        answer = await self._caller.call(pick, request, self.deadlines.change)
        self._require_success(answer.status)
        return answer

    async def version(self) -> str:
        """Return what the server calls its version, as it is."""
        answer = await self.read(lambda stub: stub.GetVersion, pb.GetVersionRequest())
        return answer.version

    async def place(self, name: str) -> Place:
        """Return where the name leads.

        Servers before 2.2.9 ignore the database in requests, and would act on a collection of the
        same name in `default`. Raises: DatabaseNotFound, and other errors of engines.
        """
        place = Place.of(name)
        if place.database not in self._known:
            self._known |= await self.databases()
        if place.database not in self._known:
            reason = f"there is no database {one_line(place.database)!r}"
            raise DatabaseNotFound(DATABASE_NOT_FOUND, reason)
        return place

    async def databases(self) -> frozenset[str]:
        """Return the names of all databases; `default` alone if the version has no others."""
        try:
            answer = await self.read(lambda stub: stub.ListDatabases, pb.ListDatabasesRequest())
        except EngineRefused as error:
            if error.code != UNIMPLEMENTED:
                raise
            return frozenset({DEFAULT_DATABASE})
        return _usable(names_in(answer.db_names, MOST_DATABASES)) | {DEFAULT_DATABASE}

    async def collections(self) -> frozenset[str]:
        """Return the names in the ports of the collections of all databases."""
        try:
            async with asyncio.timeout(self.deadlines.change):
                return await self._collections()
        except TimeoutError as error:
            wait = f"{self.deadlines.change:g} s"
            message = f"{self._target.name} did not list its databases within {wait}"
            raise EngineUnreachable(message) from error

    async def _collections(self) -> frozenset[str]:
        found: set[str] = set()
        for database in sorted(await self.databases()):
            request = pb.ShowCollectionsRequest(db_name=Place(database, "").db_name)
            raw = await self._caller.call(
                lambda stub: stub.raw_collections, request, self.deadlines.read
            )
            answer = parsed_list(raw, pb.ShowCollectionsResponse, MOST_COLLECTIONS, PROTOCOL)
            try:
                self._require_success(answer.status)
            except DatabaseNotFound:
                continue  # dropped since it was listed
            names = _usable(names_in(answer.collection_names, MOST_COLLECTIONS))
            found.update(Place(database, name).name for name in names)
            if len(found) > MOST_COLLECTIONS:
                raise too_many(MOST_COLLECTIONS)
        return frozenset(found)

    async def find(self, place: Place) -> pb.DescribeCollectionResponse | None:
        """Return the server's description; None for a collection that does not exist."""
        request = pb.DescribeCollectionRequest(
            db_name=place.db_name, collection_name=place.collection
        )
        try:
            return await self._description(request)
        except EngineRefused as error:
            if error.code == COLLECTION_NOT_FOUND:
                return None
            if error.code == UNEXPECTED and not await self._is_there(place):
                return None  # Milvus 2.2 has no code for it
            raise

    async def _description(
        self, request: pb.DescribeCollectionRequest
    ) -> pb.DescribeCollectionResponse:
        raw = await self._caller.call(
            lambda stub: stub.raw_collection, request, self.deadlines.read
        )
        type_ = pb.DescribeCollectionResponse
        answer = parsed_parts(raw, type_, MOST_PARTS, "the collection", PROTOCOL)
        self._require_success(answer.status)
        return answer

    async def indexes(self, place: Place) -> Sequence[pb.IndexDescription]:
        """Return what the server says of all indexes of the collection. Raises: EngineError."""
        request = pb.DescribeIndexRequest(db_name=place.db_name, collection_name=place.collection)
        raw = await self._caller.call(lambda stub: stub.raw_indexes, request, self.deadlines.read)
        answer = parsed_parts(raw, pb.DescribeIndexResponse, MOST_PARTS, "its index", PROTOCOL)
        try:
            self._require_success(answer.status)
        except EngineRefused as error:
            if error.code == INDEX_NOT_FOUND:
                return ()
            if error.code == UNEXPECTED and await self.find(place) is not None:
                return ()  # Milvus 2.2 has no code for it
            raise
        if len(answer.index_descriptions) > MOST_ENTRIES:
            raise unreadable("its index", PROTOCOL)
        return answer.index_descriptions

    async def found(self, place: Place) -> pb.DescribeCollectionResponse:
        """Return the server's description. Raises: EngineRefused for a missing collection."""
        found = await self.find(place)
        if found is None:
            raise missing()
        return found

    async def partitions(self, place: Place) -> frozenset[str] | None:
        """Return the partitions but `_default`; None if the collection does not exist."""
        request = pb.ShowPartitionsRequest(db_name=place.db_name, collection_name=place.collection)
        raw = await self._caller.call(
            lambda stub: stub.raw_partitions, request, self.deadlines.read
        )
        answer = parsed_list(raw, pb.ShowPartitionsResponse, MOST_PARTITIONS, PROTOCOL)
        try:
            self._require_success(answer.status)
        except EngineRefused as error:
            if error.code == COLLECTION_NOT_FOUND:
                return None
            raise
        return names_in(answer.partition_names, MOST_PARTITIONS) - {DEFAULT_PARTITION}

    async def _is_there(self, place: Place) -> bool:
        request = pb.HasCollectionRequest(db_name=place.db_name, collection_name=place.collection)
        return (await self.read(lambda stub: stub.HasCollection, request)).value

    def _require_success(self, status: pb.Status) -> None:
        failure = failure_of(status, self._target.login)
        if failure is not None:
            raise failure


def missing() -> EngineRefused:
    """Return the refusal of a call that needs a collection that does not exist."""
    return EngineRefused(COLLECTION_NOT_FOUND, "there is no such collection", retriable=True)


def pairs(entries: Mapping[str, str]) -> list[pb.KeyValuePair]:
    return [pb.KeyValuePair(key=key, value=value) for key, value in entries.items()]


def entries_in(pairs: Sequence[pb.KeyValuePair], what: str) -> dict[str, str]:
    """Return the entries of a list. Raises: EngineRefused if there are too many."""
    if len(pairs) > MOST_ENTRIES:
        raise unreadable(what, PROTOCOL)
    return {pair.key: pair.value for pair in pairs}


def _usable(names: frozenset[str]) -> frozenset[str]:
    """Leave out names with a slash. Milvus takes none, and the ports would read a database."""
    return frozenset(name for name in names if "/" not in name)
