"""Calls as the server handles them, without their types."""

import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from google.protobuf.message import Message

from quiver_engine.model import CallerWaits
from quiver_engine.wire import codec, fields
from quiver_proto import milvus_pb2 as pb


class CallClass(Enum):
    """Calls by how long they hold a thread. Each class has threads of its own."""

    INLINE = "inline"
    """Reads memory only. The event loop answers it, without a thread."""
    SHORT = "short"
    LONG = "long"
    SEARCH = "search"


@dataclass(frozen=True)
class BatchItem:
    """A request that may be answered in one batch with others.

    Requests of one batch have equal `batch_key`s. `weight` is how much of a batch this one takes;
    `content` is what distinguishes it from the others.
    """

    batch_key: Hashable
    weight: int
    content: Any


@dataclass(frozen=True)
class Batching:
    """How calls that wait at the same moment are answered as one.

    `read` returns a request's item, None for a request that is answered alone. `answer` takes items
    of one batch key and returns an answer for each; a refusal refuses them all. `answer_inline`
    does the same for calls that take hardly longer than handing them to a thread; for others it
    returns None.
    """

    read: Callable[[bytes], BatchItem | None]
    answer_inline: Callable[[Sequence[BatchItem]], Sequence[bytes] | None]
    answer: Callable[[Sequence[BatchItem], CallerWaits], Sequence[bytes]]


@dataclass(frozen=True)
class Rpc:
    """A call of the protocol: `answer` turns a request's bytes into the answer's.

    `reply` is the message type of the answer, also of a refusal. `call_class` says which threads
    answer it. `largest` is the most bytes that a request may have, 0 where that is little.
    `collection` reads from a request the name of the collection in whose turn it is answered.
    """

    answer: Callable[[bytes, CallerWaits], bytes]
    reply: type[Message]
    call_class: CallClass = CallClass.SHORT
    batching: Batching | None = None
    largest: int = 0
    collection: Callable[[bytes], bytes] = fields.first_text


@dataclass(eq=False)
class Call:
    """A request; its caller waits until it leaves, or until `expires` (s, monotonic clock)."""

    name: str
    raw: bytes
    collection: bytes
    batch_item: BatchItem | None = None
    expires: float = math.inf
    left: bool = False
    started: float = field(default_factory=time.monotonic)

    def caller_waits(self) -> bool:
        """Return whether the caller still waits for the answer."""
        return not self.left and time.monotonic() < self.expires


def ok() -> pb.Status:
    return pb.Status(error_code=pb.SUCCESS, reason="OK")


def interruptible_rpc(
    request_type: type[codec.M],
    answer: Callable[[codec.M, CallerWaits], Message],
    reply: type[Message],
) -> Rpc:
    """Return a call that may take long, and that stops when its caller has left."""

    def from_bytes(raw: bytes, caller_waits: CallerWaits) -> bytes:
        return answer(codec.parse(request_type, raw), caller_waits).SerializeToString()

    return Rpc(from_bytes, reply, CallClass.LONG)


def rpc(
    request_type: type[codec.M],
    answer: Callable[[codec.M], Message],
    reply: type[Message],
    call_class: CallClass = CallClass.SHORT,
) -> Rpc:
    def from_bytes(raw: bytes, _: CallerWaits) -> bytes:
        return answer(codec.parse(request_type, raw)).SerializeToString()

    return Rpc(from_bytes, reply, call_class)
