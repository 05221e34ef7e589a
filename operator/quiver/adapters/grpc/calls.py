"""Calls to one server, each with a deadline. They raise the errors of the ports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import grpc.aio

from quiver.adapters.grpc.channels import Channels, Stub
from quiver.adapters.grpc.errors import error_for, unreadable
from quiver.domain.access import Target
from quiver.ports.errors import EngineUnreachable

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Metadata = tuple[tuple[str, str], ...]
_UNANSWERED = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)


class Deadlines(NamedTuple):
    """How long a call may take, in seconds.

    `change` is for calls that change something: the engine writes to disk, and Milvus 1.x may be
    busy building an index.
    """

    read: float = 5.0
    change: float = 30.0


DEADLINES = Deadlines()

if TYPE_CHECKING:
    Pick = Callable[[Stub], grpc.aio.UnaryUnaryMultiCallable[Request, Answer]]


class Caller(Generic[Stub]):
    """Makes the calls of one client over the channels that all clients share."""

    def __init__(
        self,
        channels: Channels[Stub],
        target: Target,
        protocol: str,
        metadata: Metadata | None = None,
    ) -> None:
        """`protocol` is the name of the server's protocol, for messages. `metadata` is sent with
        every call.
        """
        self._channels = channels
        self._target = target
        self._protocol = protocol
        self._metadata = metadata

    async def call(
        self, pick: Pick[Stub, Request, Answer], request: Request, deadline: float | None
    ) -> Answer:
        """Send the request to the method that `pick` returns from the stub.

        `deadline` is in seconds. None waits as long as the connection lasts.
        Raises: EngineUnreachable, EngineRefused, EngineUnauthenticated, WrongEngine.
        """
        connection = self._target.connection
        method = pick(self._channels.stub(connection))
        try:
            answer = await method(
                request, timeout=deadline, metadata=self._metadata, wait_for_ready=False
            )
        except grpc.aio.AioRpcError as error:
            failure = error_for(error, self._target, self._protocol, deadline or 0)
            if error.code() in _UNANSWERED:
                # The server may be gone without closing the connection. Only a new one shows it.
                # And a channel without a connection goes on trying to connect, every two seconds.
                self._channels.drop(connection)
            raise failure from error
        except asyncio.CancelledError as error:
            # gRPC cancels the calls of a channel when it closes. That does not cancel this task.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise EngineUnreachable(f"the connection to {self._target.name} was closed") from error
        if answer is None:  # gRPC could not parse it
            raise unreadable("the call", self._protocol)
        return answer
