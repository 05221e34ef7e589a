"""Connections to engines: one for each target, shared by its clients, closed when it is idle or
there are too many.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Generic, TypeVar

import grpc.aio

from quiver.domain.access import Target

Stub = TypeVar("Stub")
Option = tuple[str, str | int]
NO_LIMITS: Mapping[str, int] = MappingProxyType({})

IDLE_S = 300.0
SWEEP_S = 60.0
MOST_CHANNELS = 512
"""Each takes some 70 KiB, and tenants name thousands of endpoints."""
RECEIVE_LIMIT = 64 * 2**10
"""Bytes of an answer, unless the protocol's own limits say more of its method."""

LATE_S = 4.0
"""A request arrives within this time or never.

When the server has acknowledged nothing for so long, the kernel drops the connection with all that
it has not delivered. Otherwise TCP would retransmit for minutes after a call has timed out, and a
late drop would hit a newer collection of the same name. The time is shorter than the deadlines of
calls, and than the time from a leader's last write to the first write of the next leader.
"""

OPTIONS: tuple[Option, ...] = (
    # The operator dials pods by IP. A proxy from the environment cannot reach them.
    ("grpc.enable_http_proxy", 0),
    # Reconnect to an engine that answers again within seconds, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # This also bounds one attempt to connect: to an address that drops packets it would last 20 s.
    ("grpc.min_reconnect_backoff_ms", 2000),
    # gRPC sets TCP_USER_TIMEOUT only with pings. One ping per hour is too rare for a server to
    # close the connection for it.
    ("grpc.keepalive_time_ms", 3_600_000),
    ("grpc.keepalive_timeout_ms", int(LATE_S * 1000)),
    # A new channel must not inherit the backoff of the previous one.
    ("grpc.use_local_subchannel_pool", 1),
)

_SERVER_NAME = "grpc.ssl_target_name_override"


@dataclass
class _Entry(Generic[Stub]):
    channel: grpc.aio.Channel
    stub: Stub
    used_at: float


class Channels(Generic[Stub]):
    """Hands out stubs by target. A channel connects at the first call. Beyond MOST_CHANNELS, the
    one that was not used for the longest time is closed.
    """

    def __init__(
        self,
        make_stub: Callable[[grpc.aio.Channel], Stub],
        limits: Mapping[str, int] = NO_LIMITS,
        idle: float = IDLE_S,
    ) -> None:
        """`make_stub` returns the stub of a protocol for a channel. `limits` are the bytes of an
        answer by the method's path (/SERVICE/METHOD); that of another method has RECEIVE_LIMIT. A
        channel that was not used for `idle` seconds is closed.
        """
        self._make_stub = make_stub
        self._options = (*OPTIONS, *_receive_options(limits))
        self._idle = idle
        self._entries: dict[Target, _Entry[Stub]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def stub(self, target: Target) -> Stub:
        loop = asyncio.get_running_loop()
        entry = self._entries.pop(target, None)
        if entry is None:
            channel = _channel(target, self._options)
            entry = _Entry(channel, self._make_stub(channel), 0.0)
        self._entries[target] = entry  # the last: the order is that of their last use
        entry.used_at = loop.time()
        if len(self._entries) > MOST_CHANNELS:
            self.drop(next(iter(self._entries)))
        if self._sweeper is None:
            self._sweeper = loop.call_later(min(SWEEP_S, self._idle), self._sweep)
        return entry.stub

    def drop(self, target: Target) -> None:
        """Connect again at the next call. Calls in progress may end over the old connection."""
        entry = self._entries.pop(target, None)
        if entry is not None:
            self._close(entry)

    async def close(self) -> None:
        """Close all connections at once. Calls in progress fail."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        entries, self._entries = list(self._entries.values()), {}
        await asyncio.gather(*(entry.channel.close() for entry in entries))
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _sweep(self) -> None:
        self._sweeper = None
        loop = asyncio.get_running_loop()
        for target, entry in list(self._entries.items()):
            if loop.time() - entry.used_at >= self._idle:
                self.drop(target)
        if self._entries:
            self._sweeper = loop.call_later(min(SWEEP_S, self._idle), self._sweep)

    def _close(self, entry: _Entry[Stub]) -> None:
        # The longest call lasts 30 s: no call is cut off.
        task = asyncio.create_task(entry.channel.close(grace=31), name="close idle engine channel")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _receive_options(limits: Mapping[str, int]) -> tuple[Option, Option]:
    """Return the options that bound answers. gRPC refuses a longer one by its announced length, and
    a compressed one once it has unpacked so much.
    """
    methods: list[dict[str, object]] = [{"name": [{}], "maxResponseMessageBytes": RECEIVE_LIMIT}]
    for path, limit in limits.items():
        _, service, method = path.split("/")
        name = {"service": service, "method": method}
        methods.append({"name": [name], "maxResponseMessageBytes": limit})
    largest = max([RECEIVE_LIMIT, *limits.values()])
    config = json.dumps({"methodConfig": methods})
    return ("grpc.max_receive_message_length", largest), ("grpc.service_config", config)


def _channel(target: Target, given: Sequence[Option]) -> grpc.aio.Channel:
    tls = target.tls
    options = [*given]
    if target.authority is not None:
        options.append(("grpc.default_authority", target.authority))
    if tls is None:
        return grpc.aio.insecure_channel(_literal(target.address), options=options)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    if tls.server_name is not None:
        options.append((_SERVER_NAME, tls.server_name))
    return grpc.aio.secure_channel(_literal(target.address), credentials, options=options)


def _literal(address: str) -> str:
    """Return the address as a gRPC URI, which gRPC does not resolve. Raises: ValueError."""
    host = ip_address(address.rpartition(":")[0].strip("[]"))
    return f"ipv{host.version}:{address}"
