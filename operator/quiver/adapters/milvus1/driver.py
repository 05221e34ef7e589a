"""The engine port over the Milvus 1.x protocol."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

# gRPC's core writes what servers say straight to stderr, line breaks and all. It looks here once,
# when it is imported; whoever hunts a fault of gRPC sets another level.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc.aio

from quiver.adapters.milvus1.channels import Channels
from quiver.adapters.milvus1.errors import error_for, refusal_of, unreadable
from quiver.adapters.milvus1.indexes import Builds, index_of, index_request, progress_of, rows_in
from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.domain.text import one_line
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineUnreachable
from quiver_proto import milvus_pb2 as pb

DEADLINE_S = 5.0
LONG_DEADLINE_S = 30.0
"""For calls that change something: the engine writes to disk, and an old one may be building an
index.
"""
DEFAULT_PARTITION = "_default"
NAME_LIMIT = 255
"""Of a collection's name."""
INSTANCE = re.compile("[0-9a-f]{32}")
INSTANCE_KEY = "quiver-instance"
"""Of a call's metadata: an engine of Quiver's refuses calls that name another instance than it is;
other servers pass over it.
"""
METRICS = {
    1: "L2",
    2: "IP",
    3: "HAMMING",
    4: "JACCARD",
    5: "TANIMOTO",
    6: "SUBSTRUCTURE",
    7: "SUPERSTRUCTURE",
}
_METRIC_NUMBERS = {name: number for number, name in METRICS.items()}


Request = TypeVar("Request")
Answer = TypeVar("Answer")

if TYPE_CHECKING:
    from quiver_proto.milvus_pb2_grpc import MilvusServiceAsyncStub

    Pick = Callable[[MilvusServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[Request, Answer]]


class Milvus1Engines:
    """Implements `quiver.ports.engines.Engines`."""

    def __init__(self) -> None:
        self._channels = Channels()
        self._builds = Builds()

    def at(self, target: Target) -> EngineClient:
        return Milvus1Client(self._channels, target, self._builds)

    async def close(self) -> None:
        await self._builds.close()
        await self._channels.close()


class Milvus1Client:
    """Implements `quiver.ports.engines.EngineClient` for one member."""

    def __init__(
        self,
        channels: Channels,
        target: Target,
        builds: Builds | None = None,
        deadline: float = DEADLINE_S,
        long_deadline: float = LONG_DEADLINE_S,
    ) -> None:
        """Deadlines are in seconds; the long one is for calls that change something."""
        self._channels = channels
        self._builds = builds or Builds()
        self._target = target
        instance = target.instance
        self._meant_for = None if instance is None else ((INSTANCE_KEY, instance),)
        self._deadline = deadline
        self._long_deadline = long_deadline

    async def version(self) -> str:
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="version"))
        _require_success(answer.status)
        return one_line(answer.string_reply)

    async def instance(self) -> str | None:
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="instance"))
        # Another server answers that it does not know the command, in whatever words or code.
        found = INSTANCE.fullmatch(answer.string_reply)
        return found[0] if found and answer.status.error_code == pb.SUCCESS else None

    async def list_collections(self) -> frozenset[str]:
        answer = await self._ask(lambda stub: stub.ShowCollections, pb.Command())
        _require_success(answer.status)
        return frozenset(answer.collection_names)

    async def describe(self, name: str) -> ObservedCollection | None:
        request = pb.CollectionName(collection_name=name)
        found = await self._ask(lambda stub: stub.DescribeCollection, request)
        if found.status.error_code == pb.COLLECTION_NOT_EXISTS:
            return None
        _require_success(found.status)
        partitions = await self._partitions(name)
        if partitions is None:
            return None
        schema = CollectionSchema(
            name=one_line(found.collection_name, NAME_LIMIT),
            dimension=found.dimension,
            index_file_size=found.index_file_size,
            metric_type=METRICS.get(found.metric_type, f"number {found.metric_type}"),
        )
        return ObservedCollection(schema=schema, partitions=partitions)

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        if tag is not None:
            return rows_in(await self._info(name), tag)
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.CountCollection, request)
        _require_success(answer.status)
        return answer.collection_row_count

    async def describe_index(self, name: str) -> ObservedIndex:
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.DescribeIndex, request)
        _require_success(answer.status)
        building = self._builds.is_running(self._target.address, name)
        progress = progress_of(await self._info(name)) if building else None
        return ObservedIndex(index=index_of(answer), progress=progress)

    async def set_index(self, name: str, index: Index | None) -> None:
        if index is None:
            request = pb.CollectionName(collection_name=name)
            _require_success(await self._change(lambda stub: stub.DropIndex, request))
        elif not self._builds.is_running(self._target.address, name):
            await self._builds.start(self._target.address, name, self._build(name, index))

    async def _build(self, name: str, index: Index) -> None:
        request = index_request(name, index)
        _require_success(await self._call(lambda stub: stub.CreateIndex, request, None))

    async def _info(self, name: str) -> str:
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.ShowCollectionInfo, request)
        _require_success(answer.status)
        return answer.json_info

    async def create(self, schema: CollectionSchema) -> None:
        request = pb.CollectionSchema(
            collection_name=schema.name,
            dimension=schema.dimension,
            index_file_size=schema.index_file_size,
            metric_type=_METRIC_NUMBERS[schema.metric_type],
        )
        _require_success(await self._change(lambda stub: stub.CreateCollection, request))

    async def drop(self, name: str) -> None:
        request = pb.CollectionName(collection_name=name)
        status = await self._change(lambda stub: stub.DropCollection, request)
        if status.error_code != pb.COLLECTION_NOT_EXISTS:
            _require_success(status)

    async def create_partition(self, name: str, tag: str) -> None:
        request = pb.PartitionParam(collection_name=name, tag=tag)
        _require_success(await self._change(lambda stub: stub.CreatePartition, request))

    async def drop_partition(self, name: str, tag: str) -> None:
        request = pb.PartitionParam(collection_name=name, tag=tag)
        status = await self._change(lambda stub: stub.DropPartition, request)
        if status.error_code == pb.SUCCESS:
            return
        # A missing tag is UNEXPECTED_ERROR, as is much else: only looking tells them apart.
        partitions = await self._partitions(name)
        if partitions is not None and tag in partitions:
            _require_success(status)

    async def _partitions(self, name: str) -> frozenset[str] | None:
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.ShowPartitions, request)
        if answer.status.error_code == pb.COLLECTION_NOT_EXISTS:
            return None
        _require_success(answer.status)
        return frozenset(answer.partition_tag_array) - {DEFAULT_PARTITION}

    async def _ask(self, pick: Pick[Request, Answer], request: Request) -> Answer:
        return await self._call(pick, request, self._deadline)

    async def _change(self, pick: Pick[Request, Answer], request: Request) -> Answer:
        return await self._call(pick, request, self._long_deadline)

    async def _call(
        self, pick: Pick[Request, Answer], request: Request, deadline: float | None
    ) -> Answer:
        connection = self._target.connection
        method = pick(self._channels.stub(connection))
        try:
            answer = await method(
                request, timeout=deadline, metadata=self._meant_for, wait_for_ready=False
            )
        except grpc.aio.AioRpcError as error:
            failure = error_for(error, self._target, deadline or 0)
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                # The other end may be gone without a word; only a new connection finds out.
                self._channels.drop(connection)
            raise failure from error
        except asyncio.CancelledError as error:
            # gRPC cancels the calls of a channel that is closed; that is not this task's end.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise EngineUnreachable(f"the connection to {self._target.name} was closed") from error
        if answer is None:  # what came could not be parsed
            raise unreadable("the call")
        return answer


def _require_success(status: pb.Status) -> None:
    if status.error_code != pb.SUCCESS:
        raise refusal_of(status)
