"""Machines with a network of their own: namespaces joined by TUN devices and a router process."""

import ctypes
import fcntl
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Self

from pyroute2 import IPRoute

from localcluster.errors import LocalClusterError
from machine.lifetime import die_with_parent
from machine.locks import file_lock
from machine.paths import cache_dir

NETWORKS = IPv4Network("198.19.0.0/16")
"""Set aside for tests (RFC 2544); localcluster's own links are in the other half."""
PREFIX = 28
MTU = 65000
HOST = "host"
CUT = -1.0
_TUN = Path("/dev/net/tun")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def problem() -> str | None:
    """Say why there can be no such network here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces and TUN devices need root"
    return None if _TUN.exists() else f"{_TUN} is missing: load the kernel's module tun"


class Network:
    """`host`, where the control plane and the users are, and machines in namespaces.

    Everything vanishes with this process: the namespaces have no names.
    """

    def __init__(self, machines: Sequence[str], log: Path) -> None:
        """At most 13 machines besides `host`."""
        self.machines = (HOST, *machines)
        self._log = log
        self._namespaces: dict[str, int] = {}
        self._router: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        home = _open_own_namespace()
        tuns: list[int] = []
        with file_lock(cache_dir() / "storm-network.lock"):
            network = _free_network()
            self._addresses = dict(zip(self.machines, network.hosts(), strict=False))
            for name, address in self._addresses.items():
                if name != HOST:
                    _check(_libc.unshare(_CLONE_NEWNET))
                try:
                    link = f"storm{address.packed[2]}-{len(tuns)}"
                    tuns.append(_make_link(link, address, with_loopback=name != HOST))
                    self._namespaces[name] = _open_own_namespace()
                finally:
                    _check(_libc.setns(home, _CLONE_NEWNET))
        os.close(home)
        self._start_router(tuns)
        return self

    def _start_router(self, tuns: Sequence[int]) -> None:
        command = [sys.executable, "-m", "storm.router", *map(str, tuns)]
        with self._log.open("wb") as log:
            self._router = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=log, pass_fds=tuns
            )
        for tun in tuns:
            os.close(tun)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._router is not None:
            self._router.kill()
            self._router.communicate()
        for namespace in self._namespaces.values():
            os.close(namespace)

    def address(self, machine: str) -> str:
        return str(self._addresses[machine])

    def enter(self, machine: str) -> None:
        """Make the calling process one of the machine's; for a child before it executes."""
        _check(_libc.setns(self._namespaces[machine], _CLONE_NEWNET))
        die_with_parent()

    def set_delay(self, source: str, destination: str, seconds: float) -> None:
        """Have packets from one machine to another take so long; CUT lets none through."""
        assert self._router is not None
        assert self._router.stdin is not None
        numbers = self.machines.index(source), self.machines.index(destination)
        self._router.stdin.write(f"{numbers[0]} {numbers[1]} {seconds}\n".encode())
        self._router.stdin.flush()


def _make_link(name: str, address: IPv4Address, *, with_loopback: bool) -> int:
    """Make a TUN device in this thread's namespace; return its descriptor."""
    tun = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    with IPRoute() as routes:
        index = routes.link_lookup(ifname=name)[0]
        routes.addr("add", index=index, address=str(address), prefixlen=PREFIX)
        routes.link("set", index=index, state="up", mtu=MTU)
        if with_loopback:
            routes.link("set", index=routes.link_lookup(ifname="lo")[0], state="up")
    return tun


def _free_network() -> IPv4Network:
    """Return one that no route of this machine leads to. Raises: LocalClusterError."""
    with IPRoute() as routes:
        taken = [
            IPv4Network(f"{route.get_attr('RTA_DST')}/{route['dst_len']}", strict=False)
            for route in routes.get_routes(family=2)
            if route.get_attr("RTA_DST") is not None
        ]
    for network in NETWORKS.subnets(new_prefix=24):
        if not any(network.overlaps(other) for other in taken):
            return next(network.subnets(new_prefix=PREFIX))
    raise LocalClusterError(f"every network in {NETWORKS} overlaps with a route: remove one")


def _open_own_namespace() -> int:
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
