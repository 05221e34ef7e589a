"""A server of Milvus 2.x that answers as a test tells it to, and notes what it was asked."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb
from support.grpc_server import RawServer
from support.hostile_milvus import METHODS, honest

At = Callable[..., EngineClient]
"""Makes a client, with a login or without."""
Told = Message | grpc.StatusCode | Callable[[Any], Message]


class ScriptedMilvus(RawServer):
    """Answers as a server of 2.6 with the loaded collection `docs` does, but for what `tells` has.

    A list in `tells` has an answer for each call; the last one stands.
    """

    def __init__(self, **tells: Told | list[Told]) -> None:
        super().__init__()
        self.tells = tells
        self.asked: list[tuple[str, Any]] = []
        """Methods and their requests."""
        self.metadata: list[dict[str, str]] = []

    @property
    def methods(self) -> list[str]:
        """The methods that it was asked for, but those that only look."""
        looks = ("Describe", "Get", "Show", "Has", "List")
        return [method for method, _ in self.asked if not method.startswith(looks)]

    def requests(self, method: str) -> list[Any]:
        return [request for asked, request in self.asked if asked == method]

    async def respond(self, path: str, request: bytes, context: Any) -> bytes:
        method = path.rpartition("/")[2]
        parsed = GetMessageClass(METHODS[method].input_type).FromString(request)
        self.asked.append((method, parsed))
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        told = self.tells.get(method)
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        if told is None:
            return honest()(method)
        if isinstance(told, grpc.StatusCode):
            return await context.abort(told, "as told")  # type: ignore[no-any-return]
        return (told(parsed) if callable(told) else told).SerializeToString()


async def refused(call: Awaitable[object]) -> EngineRefused:
    """Return the error of a call that is to be refused."""
    with pytest.raises(EngineRefused) as found:
        await call
    return found.value


def refusal(code: int, reason: str = "no", old: int = 1, **more: Any) -> pb.Status:
    """Return the status of a server from 2.3 on."""
    return pb.Status(code=code, error_code=old, reason=reason, **more)


def old_refusal(code: int = 1, reason: str = "no") -> pb.Status:
    """Return the status of a server of 2.2."""
    return pb.Status(error_code=code, reason=reason)
