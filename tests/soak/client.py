"""A client of the protocol that raises what is refused and returns arrays."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import grpc
import numpy as np

from quiver_engine.model import Floats, Ids, Vectors
from quiver_proto import milvus_pb2 as pb
from quiver_proto.milvus_pb2_grpc import MilvusServiceStub
from soak.kinds import INDEX_FILE_SIZE_MB, Index, Kind

DEADLINE_S = 120.0
_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Refused(Exception):
    """The engine's answer is a code other than 0."""

    def __init__(self, status: pb.Status) -> None:
        super().__init__(f"code {status.error_code}: {status.reason}")
        self.code = status.error_code


class _HasStatus(Protocol):
    @property
    def status(self) -> pb.Status: ...


_Reply = TypeVar("_Reply", bound=_HasStatus)


class Found(NamedTuple):
    """Ids and distances of a search, both (queries, topk); (0, 0) where there was no row."""

    ids: Ids
    distances: Floats


class Client:
    """Each call raises Refused, or grpc.RpcError where it is not known what came of it."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._stub = MilvusServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def flush_rarely(self) -> None:
        """Have rows flushed by themselves each minute only, until the engine's next start."""
        command = pb.Command(cmd="set_config storage.auto_flush_interval 60")
        _sound(self._stub.Cmd(command, timeout=DEADLINE_S))

    def create(self, name: str, kind: Kind) -> None:
        schema = pb.CollectionSchema(
            collection_name=name,
            dimension=kind.dimension,
            index_file_size=INDEX_FILE_SIZE_MB,
            metric_type=kind.metric,
        )
        _accepted(self._stub.CreateCollection(schema, timeout=DEADLINE_S))

    def drop(self, name: str) -> None:
        _accepted(self._stub.DropCollection(_named(name), timeout=DEADLINE_S))

    def has(self, name: str) -> bool:
        reply = self._stub.HasCollection(_named(name), timeout=DEADLINE_S)
        return bool(_sound(reply).bool_reply)

    def create_partition(self, name: str, tag: str) -> None:
        wanted = pb.PartitionParam(collection_name=name, tag=tag)
        _accepted(self._stub.CreatePartition(wanted, timeout=DEADLINE_S))

    def drop_partition(self, name: str, tag: str) -> None:
        wanted = pb.PartitionParam(collection_name=name, tag=tag)
        _accepted(self._stub.DropPartition(wanted, timeout=DEADLINE_S))

    def partitions(self, name: str) -> list[str]:
        reply = self._stub.ShowPartitions(_named(name), timeout=DEADLINE_S)
        return list(_sound(reply).partition_tag_array)

    def insert(self, name: str, tag: str, vectors: Vectors, ids: Ids | None) -> Ids:
        request = pb.InsertParam(
            collection_name=name,
            partition_tag=tag,
            row_record_array=_records(vectors),
            row_id_array=None if ids is None else ids.tolist(),
        )
        reply = _sound(self._stub.Insert(request, timeout=DEADLINE_S))
        return np.array(reply.vector_id_array, np.int64)

    def delete(self, name: str, tag: str, ids: Ids) -> None:
        request = pb.DeleteByIDParam(collection_name=name, partition_tag=tag, id_array=ids.tolist())
        _accepted(self._stub.DeleteByID(request, timeout=DEADLINE_S))

    def flush(self, name: str) -> None:
        request = pb.FlushParam(collection_name_array=[name])
        _accepted(self._stub.Flush(request, timeout=DEADLINE_S))

    def compact(self, name: str) -> None:
        _accepted(self._stub.Compact(_named(name), timeout=DEADLINE_S))

    def create_index(self, name: str, index: Index) -> None:
        request = pb.IndexParam(
            collection_name=name, index_type=index.type, extra_params=_params(index.params)
        )
        _accepted(self._stub.CreateIndex(request, timeout=DEADLINE_S))

    def drop_index(self, name: str) -> None:
        _accepted(self._stub.DropIndex(_named(name), timeout=DEADLINE_S))

    def index_type(self, name: str) -> int:
        reply = self._stub.DescribeIndex(_named(name), timeout=DEADLINE_S)
        return int(_sound(reply).index_type)

    def count(self, name: str) -> int:
        reply = self._stub.CountCollection(_named(name), timeout=DEADLINE_S)
        return int(_sound(reply).collection_row_count)

    def segments(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return each segment's partition and what ShowCollectionInfo tells of it."""
        reply = _sound(self._stub.ShowCollectionInfo(_named(name), timeout=DEADLINE_S))
        partitions = json.loads(reply.json_info)["partitions"]
        return [(p["tag"], segment) for p in partitions for segment in p["segments"]]

    def ids_of(self, name: str, segment: str) -> Ids:
        request = pb.GetVectorIDsParam(collection_name=name, segment_name=segment)
        reply = _sound(self._stub.GetVectorIDs(request, timeout=DEADLINE_S))
        return np.array(reply.vector_id_array, np.int64)

    def vectors(self, name: str, ids: Ids) -> list[Vectors | None]:
        """Return the vector of each id, None where there is none."""
        request = pb.VectorsIdentity(collection_name=name, id_array=ids.tolist())
        reply = _sound(self._stub.GetVectorsByID(request, timeout=DEADLINE_S))
        return [_vector(record) for record in reply.vectors_data]

    def search(
        self, name: str, queries: Vectors, topk: int, tags: Sequence[str], params: dict[str, int]
    ) -> Found:
        request = pb.SearchParam(
            collection_name=name,
            query_record_array=_records(queries),
            topk=topk,
            partition_tag_array=tags,
            extra_params=_params(json.dumps(params)),
        )
        reply = _sound(self._stub.Search(request, timeout=DEADLINE_S))
        shape = (reply.row_num, len(reply.ids) // reply.row_num if reply.row_num else 0)
        ids = np.array(reply.ids, np.int64).reshape(shape)
        return Found(ids, np.array(reply.distances, np.float32).reshape(shape))


def _accepted(status: pb.Status) -> None:
    if status.error_code != pb.SUCCESS:
        raise Refused(status)


def _sound(reply: _Reply) -> _Reply:
    _accepted(reply.status)
    return reply


def _named(name: str) -> pb.CollectionName:
    return pb.CollectionName(collection_name=name)


def _params(text: str) -> list[pb.KeyValuePair]:
    return [pb.KeyValuePair(key="params", value=text)]


def _records(vectors: Vectors) -> list[pb.RowRecord]:
    if vectors.dtype == np.uint8:
        return [pb.RowRecord(binary_data=row.tobytes()) for row in vectors]
    return [pb.RowRecord(float_data=row.tolist()) for row in vectors]


def _vector(record: pb.RowRecord) -> Vectors | None:
    if record.binary_data:
        return np.frombuffer(record.binary_data, np.uint8)
    return np.array(record.float_data, np.float32) if record.float_data else None
