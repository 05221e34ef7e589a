"""Connections to engines: one for each target, shared by its clients, closed when idle."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Generic, TypeVar

import grpc.aio

from quiver.domain.access import Target

Stub = TypeVar("Stub")

IDLE_S = 300.0
SWEEP_S = 60.0
RECEIVE_LIMIT = 16 * 2**20
"""Bytes. 4,096 names of 255 bytes are 1 MiB, and some servers hold more collections than that."""

LATE_S = 4.0
"""A request arrives within this time, or never: when the other end is silent for so long, the
kernel drops the connection with all that it has not delivered. Otherwise TCP would go on sending
for minutes after a call was given up, and a late drop would hit what has the name by then. It is
below the deadlines of calls, and below the time from a leader's last write to the next one's first.
"""

OPTIONS = (
    ("grpc.max_receive_message_length", RECEIVE_LIMIT),
    # Pods are dialled by IP; a proxy from the environment cannot reach them.
    ("grpc.enable_http_proxy", 0),
    # An engine that is back must be noticed within seconds, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Also how long one attempt to connect may take; without it an address that swallows packets
    # costs 20 s.
    ("grpc.min_reconnect_backoff_ms", 2000),
    # gRPC sets TCP_USER_TIMEOUT only where it pings; once an hour is next to never, and no server
    # takes offence.
    ("grpc.keepalive_time_ms", 3_600_000),
    ("grpc.keepalive_timeout_ms", int(LATE_S * 1000)),
    # A channel made anew must not inherit the back-off of the one before it.
    ("grpc.use_local_subchannel_pool", 1),
)

_SERVER_NAME = "grpc.ssl_target_name_override"


@dataclass
class _Entry(Generic[Stub]):
    channel: grpc.aio.Channel
    stub: Stub
    used_at: float


class Channels(Generic[Stub]):
    """Hands out stubs by target. Nothing is sent before the first call."""

    def __init__(self, make_stub: Callable[[grpc.aio.Channel], Stub], idle: float = IDLE_S) -> None:
        """`make_stub` gives a channel the methods of a protocol. A channel that has not been used
        for `idle` seconds is closed.
        """
        self._make_stub = make_stub
        self._idle = idle
        self._entries: dict[Target, _Entry[Stub]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def stub(self, target: Target) -> Stub:
        loop = asyncio.get_running_loop()
        entry = self._entries.get(target)
        if entry is None:
            channel = _channel(target)
            entry = self._entries[target] = _Entry(channel, self._make_stub(channel), 0.0)
        entry.used_at = loop.time()
        if self._sweeper is None:
            self._sweeper = loop.call_later(min(SWEEP_S, self._idle), self._sweep)
        return entry.stub

    def drop(self, target: Target) -> None:
        """Connect anew at the next call. Calls under way may still end over the old connection."""
        entry = self._entries.pop(target, None)
        if entry is not None:
            self._close(entry)

    async def close(self) -> None:
        """Close all connections at once; calls under way fail."""
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
        # The longest call lasts 30 s: none is cut off.
        task = asyncio.create_task(entry.channel.close(grace=31), name="close idle engine channel")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _channel(target: Target) -> grpc.aio.Channel:
    tls = target.tls
    options: list[tuple[str, str | int]] = [*OPTIONS]
    if target.authority is not None:
        options.append(("grpc.default_authority", target.authority))
    if tls is None:
        return grpc.aio.insecure_channel(_literal(target.address), options=options)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    if tls.server_name is not None:
        options.append((_SERVER_NAME, tls.server_name))
    return grpc.aio.secure_channel(_literal(target.address), credentials, options=options)


def _literal(address: str) -> str:
    """Return gRPC's own name for the address, which it looks up nowhere. Raises: ValueError."""
    host = ip_address(address.rpartition(":")[0].strip("[]"))
    return f"ipv{host.version}:{address}"
