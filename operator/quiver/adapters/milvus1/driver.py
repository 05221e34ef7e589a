"""The engine port over the Milvus 1.x protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import UnsetType

from quiver.adapters.grpc.answers import names_in, parsed, parsed_list
from quiver.adapters.grpc.calls import DEADLINES, Caller, Deadlines
from quiver.adapters.grpc.channels import Channels
from quiver.adapters.milvus1.answers import (
    LIMITS,
    MOST_COLLECTIONS,
    MOST_PARTITIONS,
    BoundedStub,
)
from quiver.adapters.milvus1.errors import PROTOCOL, require_success
from quiver.adapters.milvus1.indexes import Builds, index_of, index_request
from quiver.adapters.milvus1.reports import report_in
from quiver.adapters.milvus1.segments import Built, Info, info_of
from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.text import one_line
from quiver.domain.troubles import NO_REPORT, EngineReport
from quiver.ports.engines import NO_PROPERTIES, EngineClient, Fields, Loads
from quiver_proto import milvus_pb2 as pb

DEFAULT_PARTITION = "_default"
NAME_LIMIT = 255
"""Characters of a collection's name."""
INSTANCE = re.compile("[0-9a-f]{32}")
INSTANCE_KEY = "quiver-instance"
"""A key in the metadata of calls. Quiver's engine refuses a call that names another instance. Other
servers ignore it.
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
BINARY_METRICS = frozenset(name for number, name in METRICS.items() if number > 2)
SEARCH_PARAMS = '{"nprobe": 1, "ef": 16, "search_k": -1, "search_length": 16}'
"""What a search needs, whatever the index is. A server reads what concerns its index."""
_METRIC_NUMBERS = {name: number for number, name in METRICS.items()}

if TYPE_CHECKING:
    from quiver.adapters.grpc.calls import Answer, Pick, Request


class Milvus1Engines:
    """Implements `quiver.ports.engines.Engines`."""

    def __init__(self, deadlines: Deadlines = DEADLINES) -> None:
        self._channels = Channels(BoundedStub, LIMITS)
        self._builds = Builds()
        self._deadlines = deadlines

    def at(self, target: Target) -> EngineClient:
        return Milvus1Client(self._channels, target, self._builds, self._deadlines)

    async def close(self) -> None:
        await self._builds.close()
        await self._channels.close()


class Milvus1Client:
    """Implements `quiver.ports.engines.EngineClient` for one member."""

    def __init__(
        self,
        channels: Channels[BoundedStub],
        target: Target,
        builds: Builds,
        deadlines: Deadlines = DEADLINES,
    ) -> None:
        """`builds` has the index builds in progress, which the clients of all targets share."""
        metadata = None if target.instance is None else ((INSTANCE_KEY, target.instance),)
        self._caller = Caller(channels, target, PROTOCOL, metadata)
        self._address = target.address
        self._builds = builds
        self._deadlines = deadlines

    @property
    def fields(self) -> Fields | None:
        return None

    @property
    def loads(self) -> Loads | None:
        return None

    async def version(self) -> str:
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="version"))
        require_success(answer.status)
        return one_line(answer.string_reply)

    async def instance(self) -> str | None:
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="instance"))
        # Servers without an id answer in their own words that they do not know the command.
        found = INSTANCE.fullmatch(answer.string_reply)
        return found[0] if found and answer.status.error_code == pb.SUCCESS else None

    async def report(self) -> EngineReport:
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="report"))
        found = report_in(answer.string_reply)
        if found is not NO_REPORT:
            return found
        # Milvus 1.x has an image for GPUs and one for CPUs, and says which one it is.
        answer = await self._ask(lambda stub: stub.Cmd, pb.Command(cmd="mode"))
        is_cpu = answer.string_reply == "CPU"
        return EngineReport(why_no_gpu="the server's mode is CPU") if is_cpu else NO_REPORT

    async def list_collections(self) -> frozenset[str]:
        raw = await self._ask(lambda stub: stub.raw_collections, pb.Command())
        answer = parsed_list(raw, pb.CollectionNameList, MOST_COLLECTIONS, PROTOCOL)
        require_success(answer.status)
        return names_in(answer.collection_names, MOST_COLLECTIONS)

    async def describe(self, name: str) -> ObservedCollection | None:
        request = pb.CollectionName(collection_name=name)
        found = await self._ask(lambda stub: stub.DescribeCollection, request)
        if found.status.error_code == pb.COLLECTION_NOT_EXISTS:
            return None
        require_success(found.status)
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
            return (await self._info(name)).rows(tag)
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.CountCollection, request)
        require_success(answer.status)
        return answer.collection_row_count

    async def describe_index(self, name: str) -> ObservedIndex:
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.DescribeIndex, request)
        require_success(answer.status)
        index = index_of(answer)
        if index is None:
            return ObservedIndex(index=None)
        built = await self._built(name)
        build = built.build
        if isinstance(build, UnsetType):
            return await self._inferred(name, index, built)
        if build is None:
            return ObservedIndex(index=index)
        failure = None if build.failure is None else one_line(build.failure) or "no reason given"
        progress, is_full = built.progress(build.waiting), build.disk_full
        return ObservedIndex(index=index, progress=progress, failure=failure, disk_full=is_full)

    async def _inferred(self, name: str, index: Index, built: Built) -> ObservedIndex:
        """Return the index on a server that does not tell what it builds.

        Milvus 1.x builds the index of each full segment. Those that are not full have it only if
        they were there when CreateIndex was called: this process knows of its own calls.
        """
        build, unindexed = (self._address, name), built.unindexed
        error = self._builds.failure(build) if unindexed else None
        failure = None if error is None else str(error)
        if self._builds.is_running(build):
            progress = built.progress(len(unindexed))
            return ObservedIndex(index=index, progress=progress, failure=failure)
        if failure is not None or not unindexed:
            return ObservedIndex(index=index, failure=failure)
        full = await self._full_segment_bytes(name)
        waiting = sum(size >= full for size in unindexed)
        return ObservedIndex(index=index, progress=built.progress(waiting) if waiting else None)

    async def _full_segment_bytes(self, name: str) -> int:
        request = pb.CollectionName(collection_name=name)
        answer = await self._ask(lambda stub: stub.DescribeCollection, request)
        require_success(answer.status)
        return answer.index_file_size << 20

    async def set_index(
        self,
        name: str,
        index: Index | None,
        metric_type: str | None = None,  # noqa: ARG002 - the collection has it
    ) -> None:
        build = (self._address, name)
        if index is None:
            request = pb.CollectionName(collection_name=name)
            require_success(await self._change(lambda stub: stub.DropIndex, request))
            self._builds.forget(build)
        elif not self._builds.is_running(build):
            await self._builds.start(build, self._build(name, index))

    async def _build(self, name: str, index: Index) -> None:
        request = index_request(name, index)
        require_success(await self._caller.call(lambda stub: stub.CreateIndex, request, None))

    async def _built(self, name: str) -> Built:
        return (await self._info(name)).built

    async def _info(self, name: str) -> Info:
        request = pb.CollectionName(collection_name=name)
        raw = await self._ask(lambda stub: stub.raw_info, request)
        answer = parsed(raw, pb.CollectionInfo, PROTOCOL)
        require_success(answer.status)
        return info_of(answer.json_info)

    async def search_once(self, schema: CollectionSchema) -> None:
        is_binary = schema.metric_type in BINARY_METRICS
        size = schema.dimension
        query = pb.RowRecord(
            float_data=() if is_binary else [0.0] * size,
            binary_data=bytes(size // 8) if is_binary else b"",
        )
        request = pb.SearchParam(
            collection_name=schema.name,
            query_record_array=[query],
            topk=1,
            extra_params=[pb.KeyValuePair(key="params", value=SEARCH_PARAMS)],
        )
        require_success((await self._ask(lambda stub: stub.Search, request)).status)

    async def create(
        self,
        schema: CollectionSchema,
        properties: Mapping[str, str] = NO_PROPERTIES,  # noqa: ARG002 - Milvus 1.x has none
    ) -> None:
        assert schema.index_file_size is not None
        assert schema.metric_type is not None
        request = pb.CollectionSchema(
            collection_name=schema.name,
            dimension=schema.dimension,
            index_file_size=schema.index_file_size,
            metric_type=_METRIC_NUMBERS[schema.metric_type],
        )
        require_success(await self._change(lambda stub: stub.CreateCollection, request))

    async def drop(self, name: str) -> None:
        request = pb.CollectionName(collection_name=name)
        status = await self._change(lambda stub: stub.DropCollection, request)
        self._builds.forget((self._address, name))
        if status.error_code != pb.COLLECTION_NOT_EXISTS:
            require_success(status)

    async def create_partition(self, name: str, tag: str) -> None:
        request = pb.PartitionParam(collection_name=name, tag=tag)
        require_success(await self._change(lambda stub: stub.CreatePartition, request))

    async def drop_partition(self, name: str, tag: str) -> None:
        request = pb.PartitionParam(collection_name=name, tag=tag)
        status = await self._change(lambda stub: stub.DropPartition, request)
        if status.error_code == pb.SUCCESS:
            return
        # A missing tag is UNEXPECTED_ERROR, as other failures are: check whether it is missing.
        partitions = await self._partitions(name)
        if partitions is not None and tag in partitions:
            require_success(status)

    async def _partitions(self, name: str) -> frozenset[str] | None:
        request = pb.CollectionName(collection_name=name)
        raw = await self._ask(lambda stub: stub.raw_partitions, request)
        answer = parsed_list(raw, pb.PartitionList, MOST_PARTITIONS, PROTOCOL)
        if answer.status.error_code == pb.COLLECTION_NOT_EXISTS:
            return None
        require_success(answer.status)
        return names_in(answer.partition_tag_array, MOST_PARTITIONS) - {DEFAULT_PARTITION}

    async def _ask(self, pick: Pick[BoundedStub, Request, Answer], request: Request) -> Answer:
        return await self._caller.call(pick, request, self._deadlines.read)

    async def _change(self, pick: Pick[BoundedStub, Request, Answer], request: Request) -> Answer:
        return await self._caller.call(pick, request, self._deadlines.change)
