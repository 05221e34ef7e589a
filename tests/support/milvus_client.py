"""A client of Milvus 2.x of the tests' own, over the raw protocol: it does what users do."""

import time
from typing import Any

import grpc
import numpy as np

from quiver_proto import milvus2_pb2 as pb
from quiver_proto.milvus2_pb2_grpc import MilvusServiceStub

CALL_S = 20.0
SEEN_S = 30.0
POLL_S = 0.02
DIMENSION = 8


class Milvus:
    """Calls one server. Names are those of the ports: DATABASE/NAME outside `default`."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self.stub = MilvusServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def insert(self, name: str, rows: int, tag: str) -> None:
        """Insert random vectors, and wait until the server counts them."""
        before = self.count(name)
        database, _, collection = name.rpartition("/")
        data = np.random.default_rng(7).random(rows * DIMENSION, dtype=np.float32)
        field = pb.FieldData(
            type=pb.FLOAT_VECTOR,
            field_name="vector",
            vectors=pb.VectorField(dim=DIMENSION, float_vector=pb.FloatArray(data=data)),
        )
        where = {"db_name": database, "collection_name": collection}
        request = pb.InsertRequest(**where, partition_name=tag, fields_data=[field], num_rows=rows)
        _check(self.stub.Insert(request, timeout=CALL_S).status)
        flush = pb.FlushRequest(db_name=database, collection_names=[collection])
        _check(self.stub.Flush(flush, timeout=CALL_S).status)
        end = time.monotonic() + SEEN_S
        while self.count(name) != before + rows:
            assert time.monotonic() < end, f"{name} does not get to {before + rows} rows"
            time.sleep(POLL_S)

    def count(self, name: str) -> int:
        """Return how many rows the server says it has written."""
        database, _, collection = name.rpartition("/")
        request = pb.GetCollectionStatisticsRequest(db_name=database, collection_name=collection)
        answer = self.stub.GetCollectionStatistics(request, timeout=CALL_S)
        _check(answer.status)
        return next(int(pair.value) for pair in answer.stats if pair.key == "row_count")

    def create_alias(self, name: str, alias: str) -> None:
        database, _, collection = name.rpartition("/")
        request = pb.CreateAliasRequest(db_name=database, collection_name=collection, alias=alias)
        _check(self.stub.CreateAlias(request, timeout=CALL_S))


def _check(status: Any) -> None:
    assert (status.code, status.error_code) == (0, 0), status.reason
