"""The engine port over the protocol of Milvus 2.2 to 3.x."""

from __future__ import annotations

from collections.abc import Mapping

from quiver.adapters.grpc.calls import DEADLINES, Deadlines
from quiver.adapters.grpc.channels import Channels
from quiver.adapters.milvus.answers import LIMITS, BoundedStub
from quiver.adapters.milvus.calls import DEFAULT_PARTITION, Calls
from quiver.adapters.milvus.errors import (
    COLLECTION_NOT_FOUND,
    EXISTS,
    PARTITION_NOT_FOUND,
)
from quiver.adapters.milvus.field_calls import MilvusFields
from quiver.adapters.milvus.index_setting import IndexSetting
from quiver.adapters.milvus.indexes import find_index, find_metrics
from quiver.adapters.milvus.loads import MilvusLoads
from quiver.adapters.milvus.memory import Memory
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.refusals import Refusals
from quiver.adapters.milvus.rows import Rows
from quiver.adapters.milvus.schemas import (
    create_request,
    form_asked_for,
    has_vector,
    observed,
)
from quiver.adapters.milvus.searches import search_request
from quiver.adapters.milvus.versions import require
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.milvus_features import features_unread
from quiver.domain.milvus_forms import VECTOR_FIELD
from quiver.domain.text import one_line
from quiver.domain.troubles import NO_REPORT, EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Fields, Loads
from quiver.ports.errors import DatabaseNotFound, EngineRefused
from quiver_proto import milvus2_pb2 as pb


class MilvusEngines:
    """Implements `quiver.ports.engines.Engines`."""

    def __init__(self, deadlines: Deadlines = DEADLINES) -> None:
        self._channels = Channels(BoundedStub, LIMITS)
        self._refusals = Refusals()
        self._deadlines = deadlines

    def at(self, target: Target) -> EngineClient:
        return MilvusClient(Calls(self._channels, target, self._deadlines), self._refusals)

    async def close(self) -> None:
        await self._channels.close()


class MilvusClient:
    """Implements `quiver.ports.engines.EngineClient` for one member."""

    def __init__(self, calls: Calls, refusals: Refusals) -> None:
        """`refusals` are those that the clients of all targets share."""
        self._calls = calls
        self._memory = Memory(calls, refusals)
        self._indexes = IndexSetting(calls, self._memory, refusals)
        self._rows = Rows(calls)

    @property
    def fields(self) -> Fields | None:
        return MilvusFields(self._calls, self._indexes)

    @property
    def loads(self) -> Loads | None:
        return MilvusLoads(self._calls, self._memory)

    async def version(self) -> str:
        return one_line(await self._calls.version())

    async def instance(self) -> str | None:
        return None

    async def report(self) -> EngineReport:
        return NO_REPORT

    async def list_collections(self) -> frozenset[str]:
        return await self._calls.collections()

    async def describe(self, name: str) -> ObservedCollection | None:
        place = await self._calls.place(name)
        found = await self._calls.find(place)
        if found is None:
            return None
        partitions = await self._partitions(place, found)
        if partitions is None:
            return None
        index = await find_index(self._calls, place) if has_vector(found) else None
        return observed(place, found, partitions, None if index is None else index.metric_type)

    async def _partitions(
        self, place: Place, found: pb.DescribeCollectionResponse
    ) -> frozenset[str] | None:
        """Return those that somebody has made: by a partition key, the server makes its own."""
        if any(field.is_partition_key for field in found.schema.fields):
            return frozenset()
        return await self._calls.partitions(place)

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        """Return a number that lags behind, but 0 only where there are none: see `rows`."""
        return await self._rows.count(await self._calls.place(name), tag)

    async def describe_index(self, name: str) -> ObservedIndex:
        found = await find_index(self._calls, await self._calls.place(name))
        return ObservedIndex(index=None, missing=True) if found is None else found.observed

    async def set_index(
        self, name: str, index: Index | None, metric_type: str | None = None
    ) -> None:
        await self._indexes.set(await self._calls.place(name), index, metric_type)

    async def search_once(self, schema: CollectionSchema) -> None:
        place, form = await self._calls.place(schema.name), form_asked_for(schema)
        metrics = {VECTOR_FIELD: schema.metric_type}
        if schema.metric_type is None:  # Milvus 2.2 takes no search without one
            metrics = await find_metrics(self._calls, place)
        for field in form.vectors:
            request = search_request(place, form, field, metrics.get(field.name))
            await self._calls.read(lambda stub: stub.Search, request)

    async def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        """Look first: some servers accept the same collection once more."""
        place = await self._calls.place(schema.name)
        if await self._calls.find(place) is not None:
            reason = f"the name {one_line(place.name)!r} is taken by a collection or an alias"
            raise EngineRefused(EXISTS, reason)
        if schema.form is not None:
            await require(self._calls, *features_unread(schema.form))
        request = create_request(place, schema, properties)
        await self._calls.change(lambda stub: stub.CreateCollection, request)

    async def drop(self, name: str) -> None:
        try:
            place = await self._calls.place(name)
            request = pb.DropCollectionRequest(
                db_name=place.db_name, collection_name=place.collection
            )
            await self._calls.change(lambda stub: stub.DropCollection, request)
        except DatabaseNotFound:
            return
        except EngineRefused as error:
            if error.code != COLLECTION_NOT_FOUND:
                raise

    async def create_partition(self, name: str, tag: str) -> None:
        """Look first: some servers accept the same partition once more."""
        place = await self._calls.place(name)
        tags = await self._calls.partitions(place)
        if tags is not None and tag in tags | {DEFAULT_PARTITION}:
            reason = f"the partition {one_line(tag)!r} exists"
            raise EngineRefused(EXISTS, reason, retriable=True)
        request = pb.CreatePartitionRequest(
            db_name=place.db_name, collection_name=place.collection, partition_name=tag
        )
        await self._calls.change(lambda stub: stub.CreatePartition, request)

    async def drop_partition(self, name: str, tag: str) -> None:
        """Release the partition first: servers do not drop one that is in memory."""
        try:
            place = await self._calls.place(name)
            tags = await self._calls.partitions(place)
            if tags is not None and tag in tags:
                await self._memory.release_partition(place, tag)
                await self._drop_partition(place, tag)
        except DatabaseNotFound:
            return
        except EngineRefused as error:
            if error.code not in (COLLECTION_NOT_FOUND, PARTITION_NOT_FOUND):
                raise

    async def _drop_partition(self, place: Place, tag: str) -> None:
        request = pb.DropPartitionRequest(
            db_name=place.db_name, collection_name=place.collection, partition_name=tag
        )
        await self._calls.change(lambda stub: stub.DropPartition, request)
