"""A plain gRPC client of the Milvus 1.x protocol, with the few shapes tests need."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import grpc
import numpy as np

from quiver_proto import milvus_pb2 as pb
from quiver_proto import milvus_pb2_grpc

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Refused(Exception):
    """The engine's answer is a code other than 0."""

    def __init__(self, status: pb.Status) -> None:
        super().__init__(f"code {status.error_code}: {status.reason}")
        self.code = status.error_code


class HasStatus(Protocol):
    @property
    def status(self) -> pb.Status: ...


Reply = TypeVar("Reply", bound=HasStatus)


def accepted(status: pb.Status) -> None:
    """Raise Refused unless the status is a success."""
    if status.error_code != pb.SUCCESS:
        raise Refused(status)


def sound(reply: Reply) -> Reply:
    """Return a reply whose status is a success; raises Refused."""
    accepted(reply.status)
    return reply


class Milvus1:
    """`stub` has every call of the protocol; the methods are for what tests repeat.

    What returns a status, or a reply with one, leaves it to the caller; what returns something else
    raises Refused.
    """

    def __init__(
        self,
        address: str,
        credentials: grpc.ChannelCredentials | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Connect, by TLS where credentials are given: then never over another's connection.

        Calls of the methods end at the deadline; without one they wait for ever.
        """
        if credentials is None:
            self.channel = grpc.insecure_channel(address, _OPTIONS)
        else:
            options = [*_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            self.channel = grpc.secure_channel(address, credentials, options)
        self.stub = milvus_pb2_grpc.MilvusServiceStub(self.channel)
        self._deadline_s = deadline_s

    def close(self) -> None:
        self.channel.close()

    def create(
        self, name: str, dimension: int = 4, index_file_size: int = 1024, metric_type: int = 1
    ) -> pb.Status:
        schema = pb.CollectionSchema(
            collection_name=name,
            dimension=dimension,
            index_file_size=index_file_size,
            metric_type=metric_type,
        )
        return self.stub.CreateCollection(schema, timeout=self._deadline_s)

    def drop(self, name: str) -> pb.Status:
        return self.stub.DropCollection(named(name), timeout=self._deadline_s)

    def has(self, name: str) -> bool:
        return sound(self.stub.HasCollection(named(name), timeout=self._deadline_s)).bool_reply

    def create_partition(self, name: str, tag: str) -> pb.Status:
        wanted = pb.PartitionParam(collection_name=name, tag=tag)
        return self.stub.CreatePartition(wanted, timeout=self._deadline_s)

    def drop_partition(self, name: str, tag: str) -> pb.Status:
        unwanted = pb.PartitionParam(collection_name=name, tag=tag)
        return self.stub.DropPartition(unwanted, timeout=self._deadline_s)

    def partitions(self, name: str) -> list[str]:
        reply = sound(self.stub.ShowPartitions(named(name), timeout=self._deadline_s))
        return list(reply.partition_tag_array)

    def collections(self) -> list[str]:
        reply = sound(self.stub.ShowCollections(pb.Command(), timeout=self._deadline_s))
        return list(reply.collection_names)

    def insert(
        self, name: str, vectors: Any, ids: Sequence[int] | None = None, tag: str = ""
    ) -> pb.VectorIds:
        request = pb.InsertParam(
            collection_name=name,
            row_record_array=records(vectors),
            row_id_array=ids,
            partition_tag=tag,
        )
        return self.stub.Insert(request, timeout=self._deadline_s)

    def delete(self, name: str, ids: Sequence[int], tag: str = "") -> pb.Status:
        request = pb.DeleteByIDParam(collection_name=name, id_array=ids, partition_tag=tag)
        return self.stub.DeleteByID(request, timeout=self._deadline_s)

    def compact(self, name: str) -> pb.Status:
        return self.stub.Compact(named(name), timeout=self._deadline_s)

    def command(self, text: str) -> pb.StringReply:
        return self.stub.Cmd(pb.Command(cmd=text), timeout=self._deadline_s)

    def flush(self, *names: str) -> pb.Status:
        return self.stub.Flush(pb.FlushParam(collection_name_array=names), timeout=self._deadline_s)

    def count(self, name: str) -> int:
        reply = self.stub.CountCollection(named(name), timeout=self._deadline_s)
        return sound(reply).collection_row_count

    def create_index(
        self, name: str, index_type: int, params: str | None = None, timeout: float | None = None
    ) -> pb.Status:
        """Ask for an index and wait for it; `params` is JSON text."""
        request = pb.IndexParam(
            collection_name=name, index_type=index_type, extra_params=extra_params(params)
        )
        return self.stub.CreateIndex(request, timeout=timeout or self._deadline_s)

    def describe_index(self, name: str) -> tuple[int, str]:
        """Return index type and parameters, as JSON text."""
        reply = sound(self.stub.DescribeIndex(named(name), timeout=self._deadline_s))
        return reply.index_type, reply.extra_params[0].value

    def drop_index(self, name: str) -> pb.Status:
        return self.stub.DropIndex(named(name), timeout=self._deadline_s)

    def segments_by_partition(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return each segment's partition and what ShowCollectionInfo tells of it."""
        reply = sound(self.stub.ShowCollectionInfo(named(name), timeout=self._deadline_s))
        partitions = json.loads(reply.json_info)["partitions"]
        return [(p["tag"], segment) for p in partitions for segment in p["segments"]]

    def segments(self, name: str) -> list[dict[str, Any]]:
        """Return what ShowCollectionInfo tells of each segment, of all partitions."""
        return [segment for _, segment in self.segments_by_partition(name)]

    def index_names(self, name: str) -> list[str]:
        """Return what ShowCollectionInfo calls the index of each segment, of all partitions."""
        return [segment["index_name"] for segment in self.segments(name)]

    def ids_of(self, name: str, segment: str) -> list[int]:
        """Return the ids of a segment's rows."""
        request = pb.GetVectorIDsParam(collection_name=name, segment_name=segment)
        reply = sound(self.stub.GetVectorIDs(request, timeout=self._deadline_s))
        return list(reply.vector_id_array)

    def vectors(self, name: str, ids: Sequence[int], tag: str = "") -> list[list[float]]:
        """Return the vector of each id, an empty one where there is none."""
        return [list(record.float_data) for record in self.rows(name, ids, tag)]

    def rows(self, name: str, ids: Sequence[int], tag: str = "") -> list[pb.RowRecord]:
        """Return the row of each id, an empty one where there is none."""
        request = pb.VectorsIdentity(collection_name=name, id_array=ids, partition_tag=tag)
        reply = sound(self.stub.GetVectorsByID(request, timeout=self._deadline_s))
        return list(reply.vectors_data)

    def search(
        self,
        name: str,
        queries: Any,
        topk: int = 1,
        tags: Sequence[str] = (),
        params: str | None = None,
    ) -> pb.TopKQueryResult:
        request = pb.SearchParam(
            collection_name=name,
            query_record_array=records(queries),
            topk=topk,
            partition_tag_array=tags,
            extra_params=extra_params(params),
        )
        return self.stub.Search(request, timeout=self._deadline_s)

    def raw(self, rpc: str, request: bytes, instance: str | None = None) -> bytes:
        """Send bytes as they are and return the answer's; with an id only that engine answers."""
        metadata = None if instance is None else [("quiver-instance", instance)]
        call: Any = self.channel.unary_unary(f"/milvus.grpc.MilvusService/{rpc}")
        answer: bytes = call(request, metadata=metadata)
        return answer


def named(name: str) -> pb.CollectionName:
    return pb.CollectionName(collection_name=name)


def extra_params(params: str | None) -> list[pb.KeyValuePair]:
    return [] if params is None else [pb.KeyValuePair(key="params", value=params)]


def records(vectors: Any) -> list[pb.RowRecord]:
    """Return rows of floats, or of bits where they are an array of bytes."""
    if getattr(vectors, "dtype", None) == np.uint8:
        return [pb.RowRecord(binary_data=row.tobytes()) for row in vectors]
    return [pb.RowRecord(float_data=vector) for vector in vectors]


def found_ids(result: pb.TopKQueryResult) -> np.ndarray:
    """Return the ids of a search, shape (queries, topk); (0, 0) where there was no row."""
    return _by_query(sound(result), np.array(result.ids, dtype=np.int64))


def found_distances(result: pb.TopKQueryResult) -> np.ndarray:
    """Return the distances of a search, shape (queries, topk); (0, 0) where there was no row."""
    return _by_query(sound(result), np.array(result.distances, dtype=np.float32))


def _by_query(result: pb.TopKQueryResult, values: np.ndarray) -> np.ndarray:
    return values.reshape(result.row_num, len(values) // result.row_num if result.row_num else 0)
