"""The rpcs: each turns a request into a call of the store and its result into an answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from google.protobuf.message import Message

from quiver_engine import checks, index_checks, lookup, patterns, wire
from quiver_engine.collection import Collection
from quiver_engine.errors import RequestError
from quiver_engine.indexing import Indexing
from quiver_engine.search import Asked, search
from quiver_engine.segments import Segment
from quiver_engine.store import Store
from quiver_engine.writing import Writer
from quiver_proto import milvus_pb2 as pb

# pymilvus 1.1.2 compares the first two numbers; the rest says who answers.
PROTOCOL_VERSION = f"1.1.1+quiver.{version('quiver')}"


@dataclass(frozen=True)
class Rpc:
    """A call: raw request bytes to raw answer bytes, and the type a refusal takes.

    The second argument of `answer` says whether the caller still waits.
    """

    answer: Callable[[bytes, Callable[[], bool]], bytes]
    reply: type[Message]


class Service:
    """All calls this engine knows; each raises RequestError to refuse."""

    def __init__(self, store: Store, writer: Writer, indexing: Indexing) -> None:
        self._store = store
        self._writer = writer
        self._indexing = indexing

    def rpcs(self) -> dict[str, Rpc]:
        """Return every call by its name in the protocol; the others are UNIMPLEMENTED."""
        name, partition = pb.CollectionName, pb.PartitionParam
        return {
            "Cmd": _rpc(pb.Command, self.cmd, pb.StringReply),
            "CreateCollection": _rpc(pb.CollectionSchema, self.create_collection, pb.Status),
            "HasCollection": _rpc(name, self.has_collection, pb.BoolReply),
            "DescribeCollection": _rpc(name, self.describe_collection, pb.CollectionSchema),
            "ShowCollections": _rpc(pb.Command, self.show_collections, pb.CollectionNameList),
            "CountCollection": _rpc(name, self.count_collection, pb.CollectionRowCount),
            "ShowCollectionInfo": _rpc(name, self.show_collection_info, pb.CollectionInfo),
            "DropCollection": _rpc(name, self.drop_collection, pb.Status),
            "CreatePartition": _rpc(partition, self.create_partition, pb.Status),
            "HasPartition": _rpc(partition, self.has_partition, pb.BoolReply),
            "ShowPartitions": _rpc(name, self.show_partitions, pb.PartitionList),
            "DropPartition": _rpc(partition, self.drop_partition, pb.Status),
            "CreateIndex": Rpc(self.create_index, pb.Status),
            "DescribeIndex": _rpc(name, self.describe_index, pb.IndexParam),
            "DropIndex": _rpc(name, self.drop_index, pb.Status),
            "Flush": _rpc(pb.FlushParam, self.flush, pb.Status),
            "GetVectorsByID": _rpc(pb.VectorsIdentity, self.get_vectors, pb.VectorsData),
            "GetVectorIDs": _rpc(pb.GetVectorIDsParam, self.get_ids, pb.VectorIds),
            "Insert": Rpc(self.insert, pb.VectorIds),
            "Search": Rpc(self.search, pb.TopKQueryResult),
        }

    def cmd(self, request: pb.Command) -> pb.StringReply:
        return pb.StringReply(status=ok(), string_reply=_run_command(request.cmd))

    def create_collection(self, request: pb.CollectionSchema) -> pb.Status:
        self._store.create_collection(checks.schema(request))
        return ok()

    def has_collection(self, request: pb.CollectionName) -> pb.BoolReply:
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
        self._store.create_partition(request.collection_name, request.tag)
        return ok()

    def has_partition(self, request: pb.PartitionParam) -> pb.BoolReply:
        collection = self._store.collection(request.collection_name)
        return pb.BoolReply(status=ok(), bool_reply=request.tag in collection.partitions)

    def show_partitions(self, request: pb.CollectionName) -> pb.PartitionList:
        tags = self._store.collection(request.collection_name).tags
        return pb.PartitionList(status=ok(), partition_tag_array=tags)

    def drop_partition(self, request: pb.PartitionParam) -> pb.Status:
        self._store.drop_partition(request.collection_name, request.tag)
        return ok()

    def create_index(self, raw: bytes, is_awaited: Callable[[], bool]) -> bytes:
        request = wire.parse(pb.IndexParam, raw)
        collection = self._store.collection(request.collection_name)
        text = wire.params_text(request.extra_params)
        spec = index_checks.index(request.index_type, text, collection.schema)
        self._indexing.create(collection, spec, is_awaited)
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

    def flush(self, request: pb.FlushParam) -> pb.Status:
        names = request.collection_name_array
        wanted = [self._store.collection(name) for name in names] or self._store.collections()
        for collection in wanted:
            self._writer.flush(collection)
        return ok()

    def get_vectors(self, request: pb.VectorsIdentity) -> pb.VectorsData:
        collection = self._store.collection(request.collection_name)
        checks.wanted_ids(request.id_array)
        tag = request.partition_tag
        segments = collection.partition(tag).segments if tag else collection.segments
        found = lookup.vectors(collection.schema.name, segments, list(request.id_array))
        records = [
            pb.RowRecord() if vector is None else pb.RowRecord(float_data=vector.tolist())
            for vector in found
        ]
        return pb.VectorsData(status=ok(), vectors_data=records)

    def get_ids(self, request: pb.GetVectorIDsParam) -> pb.VectorIds:
        collection = self._store.collection(request.collection_name)
        segment = lookup.segment(collection, request.segment_name)
        return pb.VectorIds(status=ok(), vector_id_array=segment.ids.tolist())

    def insert(self, raw: bytes, _: Callable[[], bool]) -> bytes:
        ids = self._writer.insert(wire.decode_insert(raw))
        return pb.VectorIds(status=ok(), vector_id_array=ids.tolist()).SerializeToString()

    def search(self, raw: bytes, is_awaited: Callable[[], bool]) -> bytes:
        query = wire.decode_search(raw)
        checks.topk(query)
        collection = self._store.collection(query.collection)
        spec = collection.index.spec
        params = index_checks.search_params(query.params, spec, query.topk)
        vectors = checks.vectors(query.rows, collection.schema.dimension)
        checks.result_size(query)
        segments = _named_segments(collection, query.tags)
        if not segments:
            return pb.TopKQueryResult(status=ok()).SerializeToString()
        asked = Asked(vectors, query.topk, collection.schema.metric, spec, params)
        return wire.encode_topk(*search(segments, asked, is_awaited))


def ok() -> pb.Status:
    return pb.Status(error_code=pb.SUCCESS, reason="OK")


def _rpc(
    request_type: type[wire.M], answer: Callable[[wire.M], Message], reply: type[Message]
) -> Rpc:
    return Rpc(lambda raw, _: answer(wire.parse(request_type, raw)).SerializeToString(), reply)


def _run_command(command: str) -> str:
    match command.partition(" ")[0]:
        case "version":
            return PROTOCOL_VERSION
        case "status":
            return "OK"
        case "mode":
            return "CPU"
        case "get_config" | "set_config":
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                "this engine has no configuration nodes: start it with the options you want",
            )
    return f"unknown command {command[:100]!r}: this engine knows version, status and mode"


def _named_segments(collection: Collection, tags: tuple[str, ...]) -> list[Segment]:
    if not tags:
        return collection.segments
    partitions = dict(collection.partitions)
    found = patterns.matching(tags, list(partitions))
    if not found:
        raise RequestError(
            pb.UNEXPECTED_ERROR,
            f"no partition of {collection.schema.name!r} matches {', '.join(tags)[:300]!r}:"
            " a tag or a regular expression must match a whole tag; ShowPartitions lists them",
        )
    return [segment for tag in found for segment in partitions[tag].segments]
