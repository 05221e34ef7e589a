"""A client of the protocol that raises what is refused and returns arrays."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from quiver_engine.model import Floats, Ids, Vectors
from quiver_proto import milvus_pb2 as pb
from soak.kinds import INDEX_FILE_SIZE_MB, Index, Kind
from support.milvus1_client import Milvus1, accepted, found_distances, found_ids, sound

DEADLINE_S = 120.0


class Found(NamedTuple):
    """Ids and distances of a search, both (queries, topk); (0, 0) where there was no row."""

    ids: Ids
    distances: Floats


class Client:
    """Each call raises Refused, or grpc.RpcError where it is not known what came of it."""

    def __init__(self, address: str) -> None:
        self._engine = Milvus1(address, deadline_s=DEADLINE_S)

    def close(self) -> None:
        self._engine.close()

    def flush_rarely(self) -> None:
        """Have rows flushed by themselves each minute only, until the engine's next start."""
        sound(self._engine.command("set_config storage.auto_flush_interval 60"))

    def create(self, name: str, kind: Kind) -> None:
        accepted(self._engine.create(name, kind.dimension, INDEX_FILE_SIZE_MB, kind.metric))

    def drop(self, name: str) -> None:
        accepted(self._engine.drop(name))

    def has(self, name: str) -> bool:
        return self._engine.has(name)

    def create_partition(self, name: str, tag: str) -> None:
        accepted(self._engine.create_partition(name, tag))

    def drop_partition(self, name: str, tag: str) -> None:
        accepted(self._engine.drop_partition(name, tag))

    def partitions(self, name: str) -> list[str]:
        return self._engine.partitions(name)

    def insert(self, name: str, tag: str, vectors: Vectors, ids: Ids | None) -> Ids:
        given = None if ids is None else ids.tolist()
        reply = sound(self._engine.insert(name, vectors, given, tag))
        return np.array(reply.vector_id_array, np.int64)

    def delete(self, name: str, tag: str, ids: Ids) -> None:
        accepted(self._engine.delete(name, ids.tolist(), tag))

    def flush(self, name: str) -> None:
        accepted(self._engine.flush(name))

    def compact(self, name: str) -> None:
        accepted(self._engine.compact(name))

    def create_index(self, name: str, index: Index) -> None:
        accepted(self._engine.create_index(name, index.type, index.params))

    def drop_index(self, name: str) -> None:
        accepted(self._engine.drop_index(name))

    def index_type(self, name: str) -> int:
        return self._engine.describe_index(name)[0]

    def count(self, name: str) -> int:
        return self._engine.count(name)

    def segments(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """Return each segment's partition and what ShowCollectionInfo tells of it."""
        return self._engine.segments_by_partition(name)

    def ids_of(self, name: str, segment: str) -> Ids:
        return np.array(self._engine.ids_of(name, segment), np.int64)

    def vectors(self, name: str, ids: Ids) -> list[Vectors | None]:
        """Return the vector of each id, None where there is none."""
        return [_vector(record) for record in self._engine.rows(name, ids.tolist())]

    def search(
        self, name: str, queries: Vectors, topk: int, tags: Sequence[str], params: dict[str, int]
    ) -> Found:
        reply = self._engine.search(name, queries, topk, tags, json.dumps(params))
        return Found(found_ids(reply), found_distances(reply))


def _vector(record: pb.RowRecord) -> Vectors | None:
    if record.binary_data:
        return np.frombuffer(record.binary_data, np.uint8)
    return np.array(record.float_data, np.float32) if record.float_data else None
