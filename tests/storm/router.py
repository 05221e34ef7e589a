"""The network between the storm's machines, as a process: IP packets in, IP packets out.

Kernels without netem cannot delay, and few tools cut one direction alone; this does both, for
every pair of machines, with TCP itself being the kernel's. Started by `storm.network` as
`python -m storm.router FD…`: the TUN device of machine n is the n-th descriptor, its address ends
in n + 1. A line on stdin, `SOURCE DESTINATION DELAY`, sets what holds for packets from one to the
other: seconds, or a negative number for a cut. It ends with its stdin.
"""

import heapq
import os
import selectors
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

LARGEST_PACKET = 65536
BATCH = 64
SOURCE, DESTINATION = 15, 19
"""Offsets in an IPv4 header of the last byte of either address."""
WAITING = 20000
"""Packets; what comes while so many are delayed is lost, as in a router's full buffer."""


@dataclass
class Router:
    """Forwards between `tuns`; `delays` are in seconds by (source, destination)."""

    tuns: Sequence[int]
    delays: dict[tuple[int, int], float] = field(default_factory=dict)
    waiting: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    count: int = 0

    def take(self, packet: bytes) -> None:
        """Forward a packet at once, later or never."""
        if len(packet) <= DESTINATION or packet[0] >> 4 != 4:
            return
        source, destination = packet[SOURCE] - 1, packet[DESTINATION] - 1
        if not 0 <= destination < len(self.tuns):
            return
        delay = self.delays.get((source, destination), 0.0)
        if delay < 0 or len(self.waiting) >= WAITING:
            return
        if delay == 0:
            self._send(destination, packet)
            return
        self.count += 1
        heapq.heappush(self.waiting, (time.monotonic() + delay, self.count, destination, packet))

    def release(self) -> float | None:
        """Send what has waited long enough; return seconds until the next, None if none waits."""
        while self.waiting:
            left = self.waiting[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, destination, packet = heapq.heappop(self.waiting)
            self._send(destination, packet)
        return None

    def obey(self, line: str) -> None:
        source, destination, delay = line.split()
        self.delays[int(source), int(destination)] = float(delay)

    def _send(self, destination: int, packet: bytes) -> None:
        with suppress(OSError):  # a full queue, or a machine that is gone: the packet is lost
            os.write(self.tuns[destination], packet)


def packets(tun: int) -> Iterator[bytes]:
    """Read what is there, but let others have their turn."""
    with suppress(BlockingIOError):
        for _ in range(BATCH):
            yield os.read(tun, LARGEST_PACKET)


def main() -> None:
    router = Router([int(number) for number in sys.argv[1:]])
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    for tun in router.tuns:
        os.set_blocking(tun, False)
        selector.register(tun, selectors.EVENT_READ)
    os.set_blocking(0, False)
    pending = b""
    while True:
        # Orders first: what was sent after a cut was asked for must not slip through.
        for key, _ in sorted(selector.select(router.release()), key=lambda ready: ready[0].fd):
            if key.fd != 0:
                for packet in packets(key.fd):
                    router.take(packet)
                continue
            told = os.read(0, LARGEST_PACKET)
            if not told:
                return
            *lines, pending = (pending + told).split(b"\n")
            for line in lines:
                router.obey(line.decode())


if __name__ == "__main__":
    main()
