"""Turns every outcome of a call into bytes of its answer; its Status says what went wrong."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import Message

from quiver_engine.errors import CallerLeft, DiskFailedError, DiskIsFull, RequestError
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.wire.rpc import Call, Rpc
from quiver_proto import milvus_pb2 as pb

logger = logging.getLogger(__name__)

_NO_ANSWER = b""


class Answering:
    """Answers calls on the thread that asks; counts them in the metrics."""

    def __init__(
        self,
        rpcs: Mapping[str, Rpc],
        metrics: Metrics,
        on_disk_failure: Callable[[DiskFailedError], None],
    ) -> None:
        self._rpcs = rpcs
        self._metrics = metrics
        self._on_disk_failure = on_disk_failure

    def call(self, name: str, raw: bytes, remaining_s: float | None) -> Call:
        """Return a call for a request that has just arrived; it is in flight until it is answered.

        Its caller waits for `remaining_s` seconds, None for as long as it takes.
        """
        rpc = self._rpcs[name]
        item = None if rpc.batching is None else rpc.batching.read(raw)
        expires = math.inf if remaining_s is None else time.monotonic() + remaining_s
        call = Call(name, raw, rpc.collection(raw), item, expires)
        self._metrics.begin(call)
        return call

    def answer_inline(self, calls: Sequence[Call]) -> Sequence[bytes] | None:
        """Return the answers of calls that take a moment; None for calls that need a thread."""
        batching = self._rpcs[calls[0].name].batching
        items = [call.batch_item for call in calls if call.batch_item is not None]
        if batching is None or not items:
            return None
        code, replies = self._outcome(calls, lambda: batching.answer_inline(items))
        if replies is not None:
            for call in calls:
                self._metrics.end(call, code)
        return replies

    def answer(self, calls: Sequence[Call]) -> Sequence[bytes]:
        """Return the answers of one call, or of several of one batch key.

        A call whose caller has left is not run; its answer is empty.
        """
        waited_for = [call for call in calls if call.caller_waits()]
        code, replies = self._outcome(waited_for, lambda: self._run(waited_for))
        answers = dict(zip(waited_for, replies or (), strict=True))
        for call in calls:
            self._metrics.end(call, code if call in answers else pb.UNEXPECTED_ERROR)
        return [answers.get(call, _NO_ANSWER) for call in calls]

    def _run(self, calls: Sequence[Call]) -> Sequence[bytes]:
        def caller_waits() -> bool:
            return any(call.caller_waits() for call in calls)

        if not calls:
            return []
        rpc = self._rpcs[calls[0].name]
        items = [call.batch_item for call in calls if call.batch_item is not None]
        if rpc.batching is None or not items:
            return [rpc.answer(calls[0].raw, caller_waits)]
        return rpc.batching.answer(items, caller_waits)

    def _outcome(
        self, calls: Sequence[Call], run: Callable[[], Sequence[bytes] | None]
    ) -> tuple[int, Sequence[bytes] | None]:
        try:
            return pb.SUCCESS, run()
        except RequestError as error:
            status = pb.Status(
                error_code=error.code,
                reason=error.reason,
                disk_full=isinstance(error, DiskIsFull),
            )
        except CallerLeft:
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason="the caller has left")
        except MemoryError:
            reason = "the engine ran out of memory for this call: ask for less at a time"
            status = pb.Status(error_code=pb.OUT_OF_MEMORY, reason=reason)
        except DiskFailedError as error:
            self._on_disk_failure(error)
            reason = f"{error}; the engine stops, since it cannot know what is on disk"
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason=reason)
        except Exception:
            logger.exception("%s failed", calls[0].name)
            reason = "a fault of the engine, not of the request; the engine's log tells more"
            status = pb.Status(error_code=pb.UNEXPECTED_ERROR, reason=reason)
        reply = self._rpcs[calls[0].name].reply
        return status.error_code, [_refusal(reply, status)] * len(calls)


def _refusal(reply: type[Message], status: pb.Status) -> bytes:
    message = status if reply is pb.Status else reply(status=status)
    return message.SerializeToString()
