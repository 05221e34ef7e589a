"""Calls that are opened and never send their request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, records

CALLS = 12_000
"""More than the engine takes at a time."""
CONNECTIONS = 20
AT_ONCE = 250
PAUSE_S = 0.1
DEADLINE_S = 30.0
ENDED_S = 90.0
"""Ten seconds are given to each; opening and ending so many takes its time on a busy machine."""
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]

Calls = list[Any]


@pytest.fixture
async def channels(engine: EngineProcess) -> AsyncIterator[list[grpc.aio.Channel]]:
    async with AsyncExitStack() as opened:
        yield [
            await opened.enter_async_context(
                grpc.aio.insecure_channel(engine.grpc_address, OWN_CONNECTION)
            )
            for _ in range(CONNECTIONS)
        ]


async def opened(channels: list[grpc.aio.Channel], rpc: str) -> Calls:
    """Open calls without requests, a few hundred at a time."""
    path, calls = f"/milvus.grpc.MilvusService/{rpc}", Calls()
    for start in range(0, CALLS, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            calls.append(channels[number % CONNECTIONS].stream_unary(path)())
        await asyncio.sleep(PAUSE_S)
    return calls


@pytest.mark.parametrize("rpc", ["HasCollection", "Insert"])
async def test_others_are_served_beside_calls_without_requests(
    client: Milvus1, channels: list[grpc.aio.Channel], rpc: str
) -> None:
    """Beside thousands of them another client reads and inserts."""
    client.create(rpc, dimension=8)
    name = pb.CollectionName(collection_name=rpc)
    rows = records(np.ones((10, 8), np.float32))
    insert = pb.InsertParam(collection_name=rpc, row_record_array=rows)
    opening = asyncio.ensure_future(opened(channels, rpc))
    while not opening.done():
        found = await asyncio.to_thread(client.stub.HasCollection, name, timeout=DEADLINE_S)
        assert found.bool_reply
    for _ in range(5):
        answer = await asyncio.to_thread(client.stub.Insert, insert, timeout=DEADLINE_S)
        assert answer.status.error_code == pb.SUCCESS


async def test_calls_without_requests_are_ended(channels: list[grpc.aio.Channel]) -> None:
    """Each of thousands ends within seconds, and says why."""
    calls = await opened(channels, "HasCollection")
    async with asyncio.timeout(ENDED_S):
        codes = {await call.code() for call in calls}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert "did not arrive" in await calls[0].details()
