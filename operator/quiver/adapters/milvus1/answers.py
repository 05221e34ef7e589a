"""Bounds on a server's answers, which hold before Python objects are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from quiver.adapters.grpc.answers import NAME_BYTES
from quiver_proto import milvus_pb2 as pb
from quiver_proto.milvus_pb2_grpc import MilvusServiceStub

if TYPE_CHECKING:
    import grpc.aio

    from quiver_proto.milvus_pb2_grpc import MilvusServiceAsyncStub as Methods
else:
    Methods = MilvusServiceStub

SHOW_COLLECTIONS = "/milvus.grpc.MilvusService/ShowCollections"
SHOW_PARTITIONS = "/milvus.grpc.MilvusService/ShowPartitions"
SHOW_INFO = "/milvus.grpc.MilvusService/ShowCollectionInfo"

MOST_COLLECTIONS = 8192
"""As many as the limits of an engine may allow. A server of others may hold more."""
MOST_PARTITIONS = 4096 + 1
"""`_default` is one more."""

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        SHOW_COLLECTIONS: MOST_COLLECTIONS * NAME_BYTES + 2**10,
        SHOW_PARTITIONS: MOST_PARTITIONS * NAME_BYTES + 2**10,
        # JSON with each partition and its segments, about a hundred bytes each. Dozens of answers
        # may wait to be read.
        SHOW_INFO: 2**20,
    }
)
"""The bytes of an answer, by method. Others are short."""


class BoundedStub(Methods):
    """The protocol's methods. Those with long answers hand out bytes: several answers may wait to
    be read, and as messages they take more, a million short names sixteen times their bytes.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.raw_collections: grpc.aio.UnaryUnaryMultiCallable[pb.Command, bytes] = (
            channel.unary_unary(SHOW_COLLECTIONS, pb.Command.SerializeToString)
        )
        self.raw_partitions: grpc.aio.UnaryUnaryMultiCallable[pb.CollectionName, bytes] = (
            channel.unary_unary(SHOW_PARTITIONS, pb.CollectionName.SerializeToString)
        )
        self.raw_info: grpc.aio.UnaryUnaryMultiCallable[pb.CollectionName, bytes] = (
            channel.unary_unary(SHOW_INFO, pb.CollectionName.SerializeToString)
        )
