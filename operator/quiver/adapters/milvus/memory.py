"""Collections and partitions in the server's memory: what is there, brought and taken away."""

from __future__ import annotations

from quiver.adapters.milvus.calls import Calls, missing
from quiver.adapters.milvus.errors import COLLECTION_NOT_FOUND, UNEXPECTED, UNIMPLEMENTED
from quiver.adapters.milvus.names import Place
from quiver.adapters.milvus.refusals import Refusals
from quiver.domain.collection_schemas import ObservedLoad
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb

WHOLE = 100
"""Percent."""
MOST_REPLICAS = 1024


class Memory:
    """What one client's server has in memory."""

    def __init__(self, calls: Calls, refusals: Refusals) -> None:
        self._calls = calls
        self._refusals = refusals

    async def describe(self, place: Place) -> ObservedLoad:
        """Raises: EngineError, EngineRefused for a collection that does not exist."""
        state = await self._state(place)
        if state == pb.LOADED:
            return ObservedLoad(state="Loaded", replicas=await self._replicas(place))
        if state == pb.LOADING:
            return ObservedLoad(state="Loading", progress=await self._progress(place))
        if state == pb.NOT_LOAD:
            return ObservedLoad(state="NotLoaded")
        raise missing()

    async def load(self, place: Place, replicas: int) -> None:
        """Begin to load. A server before 2.4.13 takes another number only after a release.

        If it then refuses that number, it is to load what it had: a collection that was searched is
        not left without. Raises: EngineError.
        """
        try:
            await self._load(place, replicas)
        except EngineRefused as error:
            if error.retriable and error.code != UNEXPECTED:
                raise
            before = await self.describe(place)
            if before.state == "Loading":  # with how many copies, the server says later
                raise EngineRefused(error.code, error.reason, retriable=True) from error
            if before.replicas in (None, replicas):
                raise
            await self._reload(place, replicas, before.replicas or 1)

    async def _reload(self, place: Place, replicas: int, before: int) -> None:
        attempt = (self._calls.address, place.name, f"{replicas} replicas".encode())
        self._refusals.check(attempt)
        await self.release(place)
        try:
            await self._load(place, replicas)
        except EngineRefused as error:
            self._refusals.note(attempt, error)
            await self._load(place, before)
            raise

    async def release(self, place: Place) -> None:
        """Raises: EngineError, but not for a collection that is not in memory."""
        request = pb.ReleaseCollectionRequest(
            db_name=place.db_name, collection_name=place.collection
        )
        try:
            await self._calls.change(lambda stub: stub.ReleaseCollection, request)
        except EngineRefused as error:
            if error.code != COLLECTION_NOT_FOUND:
                raise

    async def release_if_loaded(self, place: Place) -> int:
        """Return how many copies were in memory; 1 if the server does not tell. Raises:
        EngineError.
        """
        before = await self.describe(place)
        if before.state == "NotLoaded":
            return 0
        await self.release(place)
        return before.replicas or 1

    async def release_partition(self, place: Place, tag: str) -> None:
        """Take one partition out of memory, and leave the others there. Raises: EngineError.

        Servers that cannot do this drop a partition that is in memory.
        """
        if await self._state(place, tag) not in (pb.LOADED, pb.LOADING):
            return
        request = pb.ReleasePartitionsRequest(
            db_name=place.db_name, collection_name=place.collection, partition_names=[tag]
        )
        try:
            await self._calls.change(lambda stub: stub.ReleasePartitions, request)
        except EngineRefused as error:
            if error.code != UNIMPLEMENTED:
                raise

    async def _state(self, place: Place, tag: str | None = None) -> pb.LoadState.ValueType:
        request = pb.GetLoadStateRequest(
            db_name=place.db_name,
            collection_name=place.collection,
            partition_names=() if tag is None else (tag,),
        )
        return (await self._calls.read(lambda stub: stub.GetLoadState, request)).state

    async def _load(self, place: Place, replicas: int) -> None:
        request = pb.LoadCollectionRequest(
            db_name=place.db_name, collection_name=place.collection, replica_number=replicas
        )
        await self._calls.change(lambda stub: stub.LoadCollection, request)

    async def _progress(self, place: Place) -> int | None:
        request = pb.GetLoadingProgressRequest(
            db_name=place.db_name, collection_name=place.collection
        )
        try:
            answer = await self._calls.read(lambda stub: stub.GetLoadingProgress, request)
        except EngineRefused:
            return None  # it was released, or is about to begin
        return min(max(answer.progress, 0), WHOLE)

    async def _replicas(self, place: Place) -> int | None:
        """Return the number of copies; None if the server does not tell."""
        found = await self._calls.find(place)
        if found is None:
            return None
        request = pb.GetReplicasRequest(
            collection_id=found.collection_id,
            collection_name=place.collection,
            db_name=place.db_name,
        )
        try:
            answer = await self._calls.read(lambda stub: stub.GetReplicas, request)
        except EngineRefused as error:
            if error.code != UNIMPLEMENTED:
                raise
            return None
        return min(len(answer.replicas), MOST_REPLICAS) or None
