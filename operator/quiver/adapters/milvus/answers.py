"""Bounds on a server's answers, which hold before Python objects are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from quiver.adapters.grpc.answers import NAME_BYTES
from quiver.domain.milvus_fields import MOST_FIELDS
from quiver_proto import milvus2_pb2 as pb
from quiver_proto.milvus2_pb2_grpc import MilvusServiceStub

if TYPE_CHECKING:
    import grpc.aio

    from quiver_proto.milvus2_pb2_grpc import MilvusServiceAsyncStub as Methods
else:
    Methods = MilvusServiceStub

SERVICE = "/milvus.proto.milvus.MilvusService"
SHOW_COLLECTIONS = f"{SERVICE}/ShowCollections"
SHOW_PARTITIONS = f"{SERVICE}/ShowPartitions"
DESCRIBE_COLLECTION = f"{SERVICE}/DescribeCollection"
DESCRIBE_INDEX = f"{SERVICE}/DescribeIndex"

MOST_COLLECTIONS = 16_384
"""In all databases together. Milvus takes 65,536, and an operator's memory has its limits."""
MOST_PARTITIONS = 4096 + 1
"""As many as Milvus before 2.5 takes, and `_default`."""
MOST_DATABASES = 256
"""Milvus takes 64 unless it is told otherwise."""
MOST_ENTRIES = 256
"""Of each list in the description of a collection: fields, properties, aliases, indexes."""
MOST_PARTS = 2**14
"""Of what the description of a collection or of its indexes consists, at all depths. The largest
collection that Quiver makes has a quarter of it.
"""
FIELD_BYTES = 16 * (256 + 4096 + 16) + 2**12
"""A field with all parameters that a spec may have for it, and with what a server adds."""
INDEX_BYTES = 32 * (256 + 256 + 16) + 2**12
NUMBER_BYTES = 50
"""What comes beside each name: ids, times, percentages."""

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        SHOW_COLLECTIONS: MOST_COLLECTIONS * (NAME_BYTES + NUMBER_BYTES) + 2**10,
        SHOW_PARTITIONS: MOST_PARTITIONS * (NAME_BYTES + NUMBER_BYTES) + 2**10,
        # Functions, properties, and positions in the server's log come beside the fields. In more
        # than one byte a character, no object of Kubernetes holds so much.
        DESCRIBE_COLLECTION: MOST_FIELDS * FIELD_BYTES + 2**18,
        DESCRIBE_INDEX: MOST_FIELDS * INDEX_BYTES + 2**18,
        # The ids of all segments.
        f"{SERVICE}/Flush": 2**20,
    }
)
"""The bytes of an answer, by method. Others are short."""


class BoundedStub(Methods):
    """The protocol's methods. Those with long lists of names and descriptions hand out bytes:
    several answers may wait to be read, and as messages they take more.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.raw_collections: grpc.aio.UnaryUnaryMultiCallable[pb.ShowCollectionsRequest, bytes] = (
            channel.unary_unary(SHOW_COLLECTIONS, pb.ShowCollectionsRequest.SerializeToString)
        )
        self.raw_partitions: grpc.aio.UnaryUnaryMultiCallable[pb.ShowPartitionsRequest, bytes] = (
            channel.unary_unary(SHOW_PARTITIONS, pb.ShowPartitionsRequest.SerializeToString)
        )
        self.raw_collection: grpc.aio.UnaryUnaryMultiCallable[
            pb.DescribeCollectionRequest, bytes
        ] = channel.unary_unary(DESCRIBE_COLLECTION, pb.DescribeCollectionRequest.SerializeToString)
        self.raw_indexes: grpc.aio.UnaryUnaryMultiCallable[pb.DescribeIndexRequest, bytes] = (
            channel.unary_unary(DESCRIBE_INDEX, pb.DescribeIndexRequest.SerializeToString)
        )


def cut(text: str, limit: int) -> str:
    """Return a text that is compared and not shown: as it is, but for what is beyond the limit."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
