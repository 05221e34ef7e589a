"""The server itself: its methods, by version, on a free port of the loopback address."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from quiver_proto import milvus2_pb2 as pb
from support.grpc_server import RawServer
from support.milvus_server.catalog import Catalog
from support.milvus_server.collections import Collections
from support.milvus_server.databases import Databases
from support.milvus_server.growth import Growth
from support.milvus_server.indexes import Indexes
from support.milvus_server.memory import Memory
from support.milvus_server.partitions import Partitions
from support.milvus_server.properties import Properties
from support.milvus_server.refusals import Panic, Refusal
from support.milvus_server.searches import Searches
from support.milvus_server.versions import METHODS_SINCE

_METHODS = {
    method.name: method for method in pb.DESCRIPTOR.services_by_name["MilvusService"].methods
}
_START_S = 10.0


class FakeMilvusServer(RawServer):
    """Speaks the protocol as a server of `version` does, from 2.4.0 to 3.0, and keeps no rows.

    It is written from what Milvus' sources of 2.4 to 3.0 and its release notes say of checks, codes
    and versions, for no such server can be had here: the newest that starts from PyPI are 2.3.5 and
    milvus-lite 3.2.2, which lack most of it. It shares nothing with the driver but the messages,
    so that each checks the other. Milvus' own client drives it too.

    Use it as a context, which gives the address. `asked` has the requests that came, in order. As
    it is by default, 3.0 has no StorageV3, without which it adds no functions.
    """

    def __init__(
        self, *, version: str = "v2.6.18", query_nodes: int = 1, has_storage_v3: bool = False
    ) -> None:
        super().__init__()
        self.catalog = Catalog(version, query_nodes=query_nodes, has_storage_v3=has_storage_v3)
        self.asked: list[tuple[str, Any]] = []
        self._methods = _methods_of(self.catalog)

    @property
    def calls(self) -> Counter[str]:
        """How often each method was called."""
        return Counter(method for method, _ in self.asked)

    def work_slowly(self) -> None:
        """From now on loads, and indexes over rows, are done when the test says so, by `finish`."""
        self.catalog.is_slow = True

    def finish(self) -> None:
        """End what is being loaded and indexed."""
        for found in self.catalog.all():
            if found.state == pb.LOADING:
                found.state = pb.LOADED
            for index in found.indexes.values():
                index.is_built = True

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        method = path.rpartition("/")[2]
        if method == "Connect":
            return b""  # it tells nothing of itself there
        do, since = self._methods.get(method), METHODS_SINCE.get(method, (0, 0, 0))
        if do is None or self.catalog.version < since:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {method}")
            raise AssertionError("abort raises")
        parsed = GetMessageClass(_METHODS[method].input_type).FromString(request)
        self.asked.append((method, parsed))
        try:
            return _answer(method, do(parsed)).SerializeToString()
        except Refusal as refusal:
            return _answer(method, refusal.status).SerializeToString()
        except Panic as panic:
            await context.abort(grpc.StatusCode.INTERNAL, f"panic: {panic}")
            raise


class MilvusThread:
    """Runs a server in a thread of its own, for tests that themselves wait for processes."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._server: FakeMilvusServer | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def server(self) -> FakeMilvusServer:
        assert self._server is not None
        return self._server

    @property
    def address(self) -> str:
        return self.server.address

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_START_S)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with FakeMilvusServer(**self._options) as self._server:
            self._ready.set()
            await self._stop.wait()


def _answer(method: str, told: Message | None) -> Message:
    """Return the answer; None is a success without words."""
    type_ = GetMessageClass(_METHODS[method].output_type)
    if isinstance(told, type_):
        return told
    if told is None:
        return type_()
    assert isinstance(told, pb.Status)
    return type_(status=told)


def _methods_of(catalog: Catalog) -> Mapping[str, Callable[[Any], Message | None]]:
    databases, collections, partitions = (
        Databases(catalog),
        Collections(catalog),
        Partitions(catalog),
    )
    indexes, memory, growth = Indexes(catalog), Memory(catalog), Growth(catalog)
    return {
        "GetVersion": databases.get_version,
        "ListDatabases": databases.list_databases,
        "CreateDatabase": databases.create_database,
        "DropDatabase": databases.drop_database,
        "ShowCollections": collections.show,
        "HasCollection": collections.has,
        "DescribeCollection": collections.describe,
        "CreateCollection": collections.create,
        "DropCollection": collections.drop,
        "CreateAlias": collections.create_alias,
        "DropAlias": collections.drop_alias,
        "AlterCollection": Properties(catalog).alter,
        "AddCollectionField": growth.add_field,
        "AlterCollectionField": growth.alter_field,
        "AddCollectionFunction": growth.add_function,
        "AlterCollectionFunction": growth.alter_function,
        "AlterCollectionSchema": growth.alter_schema,
        "GetCollectionStatistics": partitions.count,
        "GetPartitionStatistics": partitions.count_in,
        "ShowPartitions": partitions.show,
        "CreatePartition": partitions.create,
        "DropPartition": partitions.drop,
        "Insert": partitions.insert,
        "Flush": partitions.flush,
        "GetFlushState": partitions.flush_state,
        "CreateIndex": indexes.create,
        "DescribeIndex": indexes.describe,
        "DropIndex": indexes.drop,
        "LoadCollection": memory.load,
        "ReleaseCollection": memory.release,
        "ReleasePartitions": memory.release_partitions,
        "GetLoadState": memory.state,
        "GetLoadingProgress": memory.progress,
        "GetReplicas": memory.replicas,
        "Search": Searches(catalog).search,
    }
