"""A plain gRPC client of the Milvus 1.x protocol, with the few shapes tests need."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from quiver_proto import milvus_pb2 as pb
from quiver_proto import milvus_pb2_grpc

_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Milvus1:
    """`stub` has every call of the protocol; the methods are for what tests repeat."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        """Connect, by TLS where credentials are given: then never over another's connection."""
        if credentials is None:
            self.channel = grpc.insecure_channel(address, _OPTIONS)
        else:
            options = [*_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            self.channel = grpc.secure_channel(address, credentials, options)
        self.stub = milvus_pb2_grpc.MilvusServiceStub(self.channel)

    def close(self) -> None:
        self.channel.close()

    def create(
        self, name: str, dimension: int = 4, index_file_size: int = 1024, metric_type: int = 1
    ) -> pb.Status:
        return self.stub.CreateCollection(
            pb.CollectionSchema(
                collection_name=name,
                dimension=dimension,
                index_file_size=index_file_size,
                metric_type=metric_type,
            )
        )

    def drop(self, name: str) -> pb.Status:
        return self.stub.DropCollection(pb.CollectionName(collection_name=name))

    def create_partition(self, name: str, tag: str) -> pb.Status:
        return self.stub.CreatePartition(pb.PartitionParam(collection_name=name, tag=tag))

    def partitions(self, name: str) -> list[str]:
        reply = self.stub.ShowPartitions(pb.CollectionName(collection_name=name))
        return list(reply.partition_tag_array)

    def collections(self) -> list[str]:
        return list(self.stub.ShowCollections(pb.Command()).collection_names)

    def insert(
        self, name: str, vectors: Any, ids: Sequence[int] | None = None, tag: str = ""
    ) -> pb.VectorIds:
        return self.stub.Insert(
            pb.InsertParam(
                collection_name=name,
                row_record_array=records(vectors),
                row_id_array=ids,
                partition_tag=tag,
            )
        )

    def delete(self, name: str, ids: Sequence[int], tag: str = "") -> pb.Status:
        return self.stub.DeleteByID(
            pb.DeleteByIDParam(collection_name=name, id_array=ids, partition_tag=tag)
        )

    def compact(self, name: str) -> pb.Status:
        return self.stub.Compact(pb.CollectionName(collection_name=name))

    def command(self, text: str) -> pb.StringReply:
        return self.stub.Cmd(pb.Command(cmd=text))

    def flush(self, *names: str) -> pb.Status:
        return self.stub.Flush(pb.FlushParam(collection_name_array=names))

    def count(self, name: str) -> int:
        reply = self.stub.CountCollection(pb.CollectionName(collection_name=name))
        assert reply.status.error_code == pb.SUCCESS, reply.status.reason
        return reply.collection_row_count

    def create_index(
        self, name: str, index_type: int, params: str | None = None, timeout: float | None = None
    ) -> pb.Status:
        """Ask for an index and wait for it; `params` is JSON text."""
        request = pb.IndexParam(
            collection_name=name, index_type=index_type, extra_params=extra_params(params)
        )
        return self.stub.CreateIndex(request, timeout=timeout)

    def describe_index(self, name: str) -> tuple[int, str]:
        """Return index type and parameters, as JSON text."""
        reply = self.stub.DescribeIndex(pb.CollectionName(collection_name=name))
        assert reply.status.error_code == pb.SUCCESS, reply.status.reason
        return reply.index_type, reply.extra_params[0].value

    def drop_index(self, name: str) -> pb.Status:
        return self.stub.DropIndex(pb.CollectionName(collection_name=name))

    def segments(self, name: str) -> list[dict[str, Any]]:
        """Return what ShowCollectionInfo tells of each segment, of all partitions."""
        reply = self.stub.ShowCollectionInfo(pb.CollectionName(collection_name=name))
        assert reply.status.error_code == pb.SUCCESS, reply.status.reason
        return [s for p in json.loads(reply.json_info)["partitions"] for s in p["segments"]]

    def index_names(self, name: str) -> list[str]:
        """Return what ShowCollectionInfo calls the index of each segment, of all partitions."""
        return [segment["index_name"] for segment in self.segments(name)]

    def vectors(self, name: str, ids: Sequence[int], tag: str = "") -> list[list[float]]:
        """Return the vector of each id, an empty one where there is none."""
        return [list(record.float_data) for record in self.rows(name, ids, tag)]

    def rows(self, name: str, ids: Sequence[int], tag: str = "") -> list[pb.RowRecord]:
        """Return the row of each id, an empty one where there is none."""
        reply = self.stub.GetVectorsByID(
            pb.VectorsIdentity(collection_name=name, id_array=ids, partition_tag=tag)
        )
        assert reply.status.error_code == pb.SUCCESS, reply.status.reason
        return list(reply.vectors_data)

    def search(
        self,
        name: str,
        queries: Any,
        topk: int = 1,
        tags: Sequence[str] = (),
        params: str | None = None,
    ) -> pb.TopKQueryResult:
        return self.stub.Search(
            pb.SearchParam(
                collection_name=name,
                query_record_array=records(queries),
                topk=topk,
                partition_tag_array=tags,
                extra_params=extra_params(params),
            )
        )

    def raw(self, rpc: str, request: bytes, instance: str | None = None) -> bytes:
        """Send bytes as they are and return the answer's; with an id only that engine answers."""
        metadata = None if instance is None else [("quiver-instance", instance)]
        call: Any = self.channel.unary_unary(f"/milvus.grpc.MilvusService/{rpc}")
        answer: bytes = call(request, metadata=metadata)
        return answer


def extra_params(params: str | None) -> list[pb.KeyValuePair]:
    return [] if params is None else [pb.KeyValuePair(key="params", value=params)]


def records(vectors: Any) -> list[pb.RowRecord]:
    """Return rows of floats, or of bits where they are an array of bytes."""
    if getattr(vectors, "dtype", None) == np.uint8:
        return [pb.RowRecord(binary_data=row.tobytes()) for row in vectors]
    return [pb.RowRecord(float_data=vector) for vector in vectors]


def found_ids(result: pb.TopKQueryResult) -> np.ndarray:
    """Return the ids of a search, shape (queries, topk)."""
    assert result.status.error_code == pb.SUCCESS, result.status.reason
    return np.array(result.ids, dtype=np.int64).reshape(result.row_num, -1)


def found_distances(result: pb.TopKQueryResult) -> np.ndarray:
    """Return the distances of a search, shape (queries, topk)."""
    return np.array(result.distances, dtype=np.float32).reshape(result.row_num, -1)
