"""What the engine port has for engines that load collections, over the protocol of Milvus 2.x."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from quiver.adapters.milvus.calls import Calls, pairs
from quiver.adapters.milvus.memory import Memory
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.versions import require
from quiver.domain.collection_schemas import ObservedLoad
from quiver.domain.milvus_versions import Feature
from quiver_proto import milvus2_pb2 as pb


class MilvusLoads:
    """Implements `quiver.ports.engines.Loads` for one member."""

    def __init__(self, calls: Calls, memory: Memory) -> None:
        self._calls = calls
        self._memory = memory

    async def describe_load(self, name: str) -> ObservedLoad:
        return await self._memory.describe(await self._calls.place(name))

    async def load(self, name: str, replicas: int) -> None:
        await self._memory.load(await self._calls.place(name), replicas)

    async def release(self, name: str) -> None:
        await self._memory.release(await self._calls.place(name))

    async def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        """Set and delete in two calls: no server does both in one."""
        place = await self._calls.place(name)
        if deleted:
            await require(self._calls, Feature.DELETE_PROPERTIES)
        if changed:
            await self._alter(place, pb.AlterCollectionRequest(properties=pairs(changed)))
        if deleted:
            await self._alter(place, pb.AlterCollectionRequest(delete_keys=sorted(deleted)))

    async def list_databases(self) -> frozenset[str]:
        return await self._calls.databases()

    async def create_database(self, database: str) -> None:
        await require(self._calls, Feature.DATABASES)
        request = pb.CreateDatabaseRequest(db_name=database)
        await self._calls.change(lambda stub: stub.CreateDatabase, request)

    async def _alter(self, place: Place, request: pb.AlterCollectionRequest) -> None:
        request.db_name, request.collection_name = place.db_name, place.collection
        await self._calls.change(lambda stub: stub.AlterCollection, request)
