"""All calls of the protocol; those on collections, partitions and indexes are here."""

import json

from quiver_engine import checks
from quiver_engine.calls import index_checks, lookup
from quiver_engine.calls.commands import Commands
from quiver_engine.calls.row_calls import RowCalls
from quiver_engine.calls.search_calls import SearchCalls
from quiver_engine.config_nodes import ConfigNodes
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.model import CallerWaits
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.wire import codec
from quiver_engine.wire.rpc import CallClass, Rpc, ok, rpc
from quiver_proto import milvus_pb2 as pb


class Service:
    """All calls that this engine knows; a call raises RequestError to refuse."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        indexing: Indexing,
        config_nodes: ConfigNodes,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._indexing = indexing
        self._commands = Commands(store, config_nodes, metrics.in_flight)
        self._row_calls = RowCalls(store, writer, metrics.traffic)
        self._search_calls = SearchCalls(store, metrics.traffic)

    def rpcs(self) -> dict[str, Rpc]:
        """Return every call by its name in the protocol; gRPC answers UNIMPLEMENTED for others."""
        name, partition, inline = pb.CollectionName, pb.PartitionParam, CallClass.INLINE
        return {
            "Cmd": rpc(pb.Command, self.cmd, pb.StringReply),
            "CreateCollection": rpc(pb.CollectionSchema, self.create_collection, pb.Status),
            "HasCollection": rpc(name, self.has_collection, pb.BoolReply, inline),
            "DescribeCollection": rpc(name, self.describe_collection, pb.CollectionSchema, inline),
            "ShowCollections": rpc(
                pb.Command, self.show_collections, pb.CollectionNameList, inline
            ),
            "CountCollection": rpc(name, self.count_collection, pb.CollectionRowCount, inline),
            "ShowCollectionInfo": rpc(name, self.show_collection_info, pb.CollectionInfo),
            "DropCollection": rpc(name, self.drop_collection, pb.Status),
            "CreatePartition": rpc(partition, self.create_partition, pb.Status),
            "HasPartition": rpc(partition, self.has_partition, pb.BoolReply, inline),
            "ShowPartitions": rpc(name, self.show_partitions, pb.PartitionList, inline),
            "DropPartition": rpc(partition, self.drop_partition, pb.Status),
            "CreateIndex": Rpc(self.create_index, pb.Status, CallClass.LONG),
            "DescribeIndex": rpc(name, self.describe_index, pb.IndexParam, inline),
            "DropIndex": rpc(name, self.drop_index, pb.Status),
            **self._row_calls.rpcs(),
            **self._search_calls.rpcs(),
        }

    def cmd(self, request: pb.Command) -> pb.StringReply:
        return pb.StringReply(status=ok(), string_reply=self._commands.run(request.cmd))

    def create_collection(self, request: pb.CollectionSchema) -> pb.Status:
        self._store.create_collection(checks.schema(request))
        return ok()

    def has_collection(self, request: pb.CollectionName) -> pb.BoolReply:
        checks.name(request.collection_name)
        return pb.BoolReply(status=ok(), bool_reply=self._store.has(request.collection_name))

    def describe_collection(self, request: pb.CollectionName) -> pb.CollectionSchema:
        schema = self._store.collection(request.collection_name).schema
        return pb.CollectionSchema(
            status=ok(),
            collection_name=schema.name,
            dimension=schema.dimension,
            index_file_size=schema.index_file_size,
            metric_type=schema.metric,
        )

    def show_collections(self, _: pb.Command) -> pb.CollectionNameList:
        names = [collection.schema.name for collection in self._store.collections()]
        return pb.CollectionNameList(status=ok(), collection_names=names)

    def count_collection(self, request: pb.CollectionName) -> pb.CollectionRowCount:
        rows = self._store.collection(request.collection_name).rows
        return pb.CollectionRowCount(status=ok(), collection_row_count=rows)

    def show_collection_info(self, request: pb.CollectionName) -> pb.CollectionInfo:
        collection = self._store.collection(request.collection_name)
        return pb.CollectionInfo(status=ok(), json_info=json.dumps(lookup.info(collection)))

    def drop_collection(self, request: pb.CollectionName) -> pb.Status:
        self._store.drop_collection(request.collection_name)
        return ok()

    def create_partition(self, request: pb.PartitionParam) -> pb.Status:
        checks.name(request.collection_name)
        self._store.create_partition(request.collection_name, request.tag)
        return ok()

    def has_partition(self, request: pb.PartitionParam) -> pb.BoolReply:
        collection = self._store.collection(request.collection_name)
        has = collection.tag(request.tag) in collection.partitions
        return pb.BoolReply(status=ok(), bool_reply=has)

    def show_partitions(self, request: pb.CollectionName) -> pb.PartitionList:
        tags = self._store.collection(request.collection_name).tags
        return pb.PartitionList(status=ok(), partition_tag_array=tags)

    def drop_partition(self, request: pb.PartitionParam) -> pb.Status:
        checks.name(request.collection_name)
        self._store.drop_partition(request.collection_name, request.tag)
        return ok()

    def create_index(self, raw: bytes, caller_waits: CallerWaits) -> bytes:
        request = codec.parse(pb.IndexParam, raw)
        collection = self._store.collection(request.collection_name)
        text = codec.params_text(request.extra_params)
        spec = index_checks.index(
            request.index_type, text, collection.schema, has_gpu=bool(self._store.device.gpus())
        )
        self._indexing.create(collection, spec, caller_waits)
        return ok().SerializeToString()

    def describe_index(self, request: pb.CollectionName) -> pb.IndexParam:
        collection = self._store.collection(request.collection_name)
        spec = collection.index.spec
        return pb.IndexParam(
            status=ok(),
            collection_name=collection.schema.name,
            index_type=spec.type,
            extra_params=[pb.KeyValuePair(key="params", value=spec.params)],
        )

    def drop_index(self, request: pb.CollectionName) -> pb.Status:
        self._indexing.drop(self._store.collection(request.collection_name))
        return ok()
