"""How many rows a collection holds, as far as its server tells without reading them.

Milvus counts the rows that it has written to its store. Rows of the last seconds are missing, and
deleted ones count until they are compacted away. Therefore 0 counts only once the server has
written what it held in memory.
"""

from __future__ import annotations

import asyncio
import math

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.calls import Calls, entries_in
from quiver.adapters.milvus.errors import PARTITION_NOT_FOUND, PROTOCOL, UNEXPECTED, UNIMPLEMENTED
from quiver.adapters.milvus.names import Place
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb

POLL_S = 0.05
FRESH_S = 2.0
"""How long a flush counts as new. Servers take one per collection in ten seconds, and partitions
are counted one after another.
"""
COUNT_DIGITS = 18


class Rows:
    """Counts rows for one client."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._flushed: dict[Place, float] = {}
        """When a collection was flushed last, in the loop's time."""

    async def count(self, place: Place, tag: str | None) -> int:
        """Return how many rows the collection holds, or its partition `tag`: 0 for a missing one.

        Raises: EngineError, which is retriable if the server did not write its rows in time.
        """
        count = await self._counted(place, tag)
        if count == 0:
            await self._flush(place)
            count = await self._counted(place, tag)
        return count

    async def _counted(self, place: Place, tag: str | None) -> int:
        if tag is None:
            of_all = pb.GetCollectionStatisticsRequest(
                db_name=place.db_name, collection_name=place.collection
            )
            return _row_count(
                await self._calls.read(lambda stub: stub.GetCollectionStatistics, of_all)
            )
        request = pb.GetPartitionStatisticsRequest(
            db_name=place.db_name, collection_name=place.collection, partition_name=tag
        )
        try:
            answer = await self._calls.read(lambda stub: stub.GetPartitionStatistics, request)
        except EngineRefused as error:
            if error.code == PARTITION_NOT_FOUND or (
                error.code == UNEXPECTED and await self._is_without(place, tag)
            ):
                return 0
            raise
        return _row_count(answer)

    async def _is_without(self, place: Place, tag: str) -> bool:
        """Tell whether the partition is missing: Milvus 2.2 has no code for it."""
        tags = await self._calls.partitions(place)
        return tags is not None and tag not in tags

    async def _flush(self, place: Place) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._flushed.get(place, -math.inf) < FRESH_S:
            return
        request = pb.FlushRequest(db_name=place.db_name, collection_names=[place.collection])
        answer = await self._calls.slow_read(lambda stub: stub.Flush, request)
        await self._written(place, answer)
        self._flushed[place] = loop.time()

    async def _written(self, place: Place, flush: pb.FlushResponse) -> None:
        segments = flush.segment_ids.get(place.collection)
        request = pb.GetFlushStateRequest(
            segment_ids=() if segments is None else segments.data,
            flush_ts=flush.flush_ts.get(place.collection, 0),
            db_name=place.db_name,
            collection_name=place.collection,
        )
        try:
            async with asyncio.timeout(self._calls.deadlines.read):
                while True:
                    answer = await self._calls.read(lambda stub: stub.GetFlushState, request)
                    if answer.flushed:
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            reason = "the server has not written its rows yet, and cannot tell their number"
            raise EngineRefused("NOT_FLUSHED", reason, retriable=True) from error
        except EngineRefused as error:
            if error.code != UNIMPLEMENTED:
                raise


def _row_count(answer: pb.StatisticsResponse) -> int:
    text = entries_in(answer.stats, "its rows").get("row_count", "")
    if not (text.isascii() and text.isdigit() and len(text) <= COUNT_DIGITS):
        raise unreadable("its rows", PROTOCOL)
    return int(text)
