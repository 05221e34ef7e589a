"""How many rows there are: a server knows what it has written."""

from typing import Any

from quiver.ports.engines import EngineClient
from quiver_proto import milvus2_pb2 as pb
from support.hostile_milvus import pairs
from support.scripted_milvus import ScriptedMilvus, refusal, refused


def zero(_request: Any) -> pb.StatisticsResponse:
    return pb.StatisticsResponse(stats=pairs(row_count="0"))


async def test_no_rows_are_believed_only_after_a_flush(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """Rows of the last seconds are in memory alone. One flush is for all partitions."""
    server.tells |= {"GetCollectionStatistics": zero, "GetPartitionStatistics": zero}
    server.tells["Flush"] = pb.FlushResponse(
        segment_ids={"docs": pb.LongArray(data=[7, 8])}, flush_ts={"docs": 99}
    )
    server.tells["GetFlushState"] = [
        pb.GetFlushStateResponse(flushed=False),
        pb.GetFlushStateResponse(flushed=True),
    ]
    for tag in (None, "2024", "2025"):
        assert await client.count_rows("docs", tag) == 0
    assert server.methods == ["Flush"]
    assert len(server.requests("GetFlushState")) == 2
    state = server.requests("GetFlushState")[-1]
    assert (list(state.segment_ids), state.flush_ts, state.collection_name) == ([7, 8], 99, "docs")


async def test_some_rows_need_no_flush(server: ScriptedMilvus, client: EngineClient) -> None:
    """Nothing is decided by their exact number."""
    assert await client.count_rows("docs") == 5
    assert server.methods == []


async def test_rows_that_the_flush_brings_are_counted(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """An empty partition is dropped, and one that only seems so is not."""
    some = pb.StatisticsResponse(stats=pairs(row_count="3"))
    server.tells["GetPartitionStatistics"] = [zero(None), some]
    assert await client.count_rows("docs", "2024") == 3


async def test_a_flush_too_many_is_worth_another_try(
    server: ScriptedMilvus, client: EngineClient
) -> None:
    """Servers take one per collection in ten seconds."""
    server.tells |= {"GetCollectionStatistics": zero}
    server.tells["Flush"] = pb.FlushResponse(status=refusal(8, "rate limit exceeded", old=49))
    error = await refused(client.count_rows("docs"))
    assert (error.code, error.retriable) == ("RATE_LIMIT", True)
