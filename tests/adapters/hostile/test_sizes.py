"""A hostile server that answers with more than any honest one."""

import asyncio
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest

from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus_pb2 as pb
from support.hostile_server import OK, HostileServer, always, check_words

MIB = 2**20
LONGEST = [f"{number:0255}" for number in range(8192)]
"""As many names as an engine may take, as long as it takes them."""

TINY = [b"\x12\x00" * (MIB // 2), b"\x12\x00" * 10_000]
"""Answers within the limits of bytes that hold more names than are read: many more, and some."""


async def test_the_largest_honest_lists_are_read(
    server: HostileServer, client: EngineClient
) -> None:
    """8,192 collections and 4,096 partitions, with names of 255 bytes each."""
    partitions = LONGEST[:4096]
    tags = ["_default", *partitions]
    server.answer = always(OK, collection_names=LONGEST, partition_tag_array=tags)
    assert await client.list_collections() == frozenset(LONGEST)
    found = await client.describe("docs")
    assert found is not None
    assert found.partitions == frozenset(partitions)


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        (lambda c: c.version(), {"string_reply": "x" * MIB}),
        (lambda c: c.instance(), {"string_reply": "x" * MIB}),
        (lambda c: c.count_rows("docs"), {"reason": "x" * MIB}),
        (lambda c: c.list_collections(), {"collection_names": ["x" * 255] * 65_536}),
        (lambda c: c.describe("docs"), {"partition_tag_array": ["x" * 255] * 16_384}),
        (lambda c: c.count_rows("docs", "2024"), {"json_info": "x" * 16 * MIB}),
        (lambda c: c.drop("docs"), {"reason": "x" * MIB}),
    ],
    ids=["version", "instance", "count", "names", "partitions", "info", "drop"],
)
async def test_a_longer_answer_is_refused_unread(
    server: HostileServer,
    client: EngineClient,
    call: Callable[[EngineClient], Awaitable[object]],
    fields: dict[str, object],
) -> None:
    """Each call has its limit; the error says so in one short line, and the next call goes on."""
    reason = fields.pop("reason", "")
    server.answer = always(pb.Status(reason=str(reason)), **fields)
    with pytest.raises(EngineRefused, match="more than Quiver reads") as refused:
        await call(client)
    check_words(str(refused.value))
    assert refused.value.code == "ANSWER_TOO_LARGE"
    server.answer = always(OK)
    await client.count_rows("docs")


async def test_an_answer_that_unpacks_to_more_is_refused(engines: Milvus1Engines) -> None:
    """What counts is the size of the answer after decompression."""
    bomb = pb.StringReply(string_reply="x" * 64 * MIB).SerializeToString()

    async def answer(_request: bytes, _context: object) -> bytes:
        return bomb

    handler = grpc.unary_unary_rpc_method_handler(answer)
    bombing = grpc.aio.server(compression=grpc.Compression.Gzip)
    bombing.add_registered_method_handlers("milvus.grpc.MilvusService", {"Cmd": handler})
    address = f"127.0.0.1:{bombing.add_insecure_port('127.0.0.1:0')}"
    await bombing.start()
    try:
        with pytest.raises(EngineRefused, match="more than Quiver reads"):
            await engines.at(Target(address, "Quiver")).version()
    finally:
        await bombing.stop(None)


@pytest.mark.parametrize("raw", TINY, ids=lambda raw: str(len(raw)))
@pytest.mark.parametrize("method", ["ShowCollections", "ShowPartitions"])
async def test_names_are_counted_before_they_are_read(
    server: HostileServer, client: EngineClient, method: str, raw: bytes
) -> None:
    """An answer that is short in bytes may hold half a million names."""
    server.answer = lambda called: raw if called == method else always(OK)(called)
    with pytest.raises(EngineRefused, match="lists more than the") as refused:
        await (client.list_collections() if method == "ShowCollections" else client.describe("x"))
    check_words(str(refused.value))


class HesitatingServer(HostileServer):
    """Tells of as many segments as an answer can hold, and does not say how large a full one is."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        segments = [{"row_count": 4096, "index_name": "IDMAP"}] * 22_000
        info = {"partitions": [{"tag": "", "row_count": 0, "segments": segments}]}
        self._info = pb.CollectionInfo(json_info=json.dumps(info)).SerializeToString()
        self.answer = always(OK, index_type=2)

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        if path.endswith("ShowCollectionInfo"):
            return self._info
        if path.endswith("DescribeCollection"):
            self.is_asked.set()
            await asyncio.Event().wait()
        return await super().respond(path, request, context)


async def test_little_is_kept_of_a_long_answer_while_the_next_is_awaited(
    engines: Milvus1Engines,
) -> None:
    """Reconciles of many collections may wait for such a server at the same time."""
    async with HesitatingServer() as server:
        client = engines.at(Target(server.address, "Milvus1"))
        await client.version()
        tracemalloc.start()
        try:
            call = asyncio.create_task(client.describe_index("docs"))
            await server.is_asked.wait()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    assert kept < MIB
