"""Bounds on a server's answers, which hold before Python objects are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError, Message

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus1.errors import PROTOCOL
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus_pb2 as pb
from quiver_proto.milvus_pb2_grpc import MilvusServiceStub

if TYPE_CHECKING:
    import grpc.aio

    from quiver_proto.milvus_pb2_grpc import MilvusServiceAsyncStub as Methods
else:
    Methods = MilvusServiceStub

Parsed = TypeVar("Parsed", bound=Message)

SHOW_COLLECTIONS = "/milvus.grpc.MilvusService/ShowCollections"
SHOW_PARTITIONS = "/milvus.grpc.MilvusService/ShowPartitions"
SHOW_INFO = "/milvus.grpc.MilvusService/ShowCollectionInfo"

MOST_COLLECTIONS = 8192
"""As many as the limits of an engine may allow. A server of others may hold more."""
MOST_PARTITIONS = 4096 + 1
"""`_default` is one more."""
NAME_BYTES = 255 + 3
"""The longest name, and what the protocol puts before it."""
_BEFORE_NAME = b"\x12"
"""The byte before each name's length, in both lists. The length of a name may be the same byte."""

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


def parsed(raw: bytes, type_: type[Parsed]) -> Parsed:
    """Return the message. Raises: EngineRefused for bytes that are no such message."""
    try:
        return type_.FromString(raw)
    except DecodeError as error:
        raise unreadable("the call", PROTOCOL) from error


def parsed_list(raw: bytes, type_: type[Parsed], most: int) -> Parsed:
    """Return a message with a list of names.

    Raises: EngineRefused for bytes that are no such message, or have more than `most` names.
    """
    if raw.count(_BEFORE_NAME) > 2 * most:
        raise _too_many(most)
    return parsed(raw, type_)


def names_in(names: Sequence[str], most: int) -> frozenset[str]:
    """Return the names of a parsed list. Raises: EngineRefused if there are more than `most`."""
    if len(names) > most:
        raise _too_many(most)
    return frozenset(names)


def _too_many(most: int) -> EngineRefused:
    reason = (
        f"it lists more than the {most} names that Quiver reads; check what listens at this"
        " address, or remove what is not needed there"
    )
    return EngineRefused("TOO_MANY_NAMES", reason)
