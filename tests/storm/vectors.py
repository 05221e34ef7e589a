"""The engines as their users see them: rows, and collections dropped behind Quiver's back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import grpc.aio

from quiver_proto import milvus_pb2 as pb
from quiver_proto.milvus_pb2_grpc import MilvusServiceStub
from support.milvus1_client import named, records

if TYPE_CHECKING:
    from quiver_proto.milvus_pb2_grpc import MilvusServiceAsyncStub

DEADLINE_S = 5.0
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.min_reconnect_backoff_ms", 2000),
)


class Vectors:
    """Connections to engines by endpoint (HOST:PORT). Calls raise grpc.aio.AioRpcError."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def create(self, endpoint: str, name: str, dimension: int) -> None:
        schema = pb.CollectionSchema(
            collection_name=name, dimension=dimension, index_file_size=64, metric_type=1
        )
        status = await self._stub(endpoint).CreateCollection(schema, timeout=DEADLINE_S)
        assert status.error_code == pb.SUCCESS, status.reason

    async def insert(self, place: tuple[str, str], tag: str, ids: Sequence[int], size: int) -> bool:
        """Insert one vector for each id; tell whether the engine acknowledged them."""
        request = pb.InsertParam(
            collection_name=place[1],
            row_record_array=records([float(n % 97)] * size for n in ids),
            row_id_array=ids,
            partition_tag=tag,
        )
        answer = await self._stub(place[0]).Insert(request, timeout=DEADLINE_S)
        return bool(answer.status.error_code == pb.SUCCESS)

    async def missing(self, place: tuple[str, str], tag: str, ids: Collection[int]) -> set[int]:
        """Return which of the ids are not there."""
        wanted = sorted(ids)
        request = pb.VectorsIdentity(collection_name=place[1], id_array=wanted, partition_tag=tag)
        answer = await self._stub(place[0]).GetVectorsByID(request, timeout=6 * DEADLINE_S)
        if answer.status.error_code != pb.SUCCESS:
            return set(wanted)
        found = answer.vectors_data
        return {n for n, row in zip(wanted, found, strict=True) if not row.float_data}

    async def drop(self, place: tuple[str, str]) -> None:
        await self._stub(place[0]).DropCollection(named(place[1]), timeout=DEADLINE_S)

    def _stub(self, endpoint: str) -> MilvusServiceAsyncStub:
        if endpoint not in self._channels:
            self._channels[endpoint] = grpc.aio.insecure_channel(endpoint, _OPTIONS)
        return MilvusServiceStub(self._channels[endpoint])
