"""A call as the server sees it."""

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from quiver_engine import wire
from quiver_proto import milvus_pb2 as pb


@dataclass(frozen=True)
class Rpc:
    """A call: raw request bytes to raw answer bytes, and the type a refusal takes.

    The second argument of `answer` says whether the caller still waits.
    """

    answer: Callable[[bytes, Callable[[], bool]], bytes]
    reply: type[Message]


def ok() -> pb.Status:
    return pb.Status(error_code=pb.SUCCESS, reason="OK")


IsAwaited = Callable[[], bool]
"""Whether the caller still waits for the answer."""


def awaited_rpc(
    request_type: type[wire.M], answer: Callable[[wire.M, IsAwaited], Message], reply: type[Message]
) -> Rpc:
    """Return a call that may take long and asks meanwhile whether anybody waits for it."""
    return Rpc(
        lambda raw, is_awaited: answer(
            wire.parse(request_type, raw), is_awaited
        ).SerializeToString(),
        reply,
    )


def rpc(
    request_type: type[wire.M], answer: Callable[[wire.M], Message], reply: type[Message]
) -> Rpc:
    return Rpc(lambda raw, _: answer(wire.parse(request_type, raw)).SerializeToString(), reply)
