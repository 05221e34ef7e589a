"""A control plane whose processes can be killed and paused, and whose etcd has a small disk."""

import ctypes
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from localcluster import ControlPlane
from localcluster.components import Addresses
from localcluster.session import Session
from localcluster.system import MS_REC, mount

ETCD, API_SERVER = "etcd", "kube-apiserver"
DISK_MIB = 768
CHUNK = 2**20
BACK_OFF_S = 2.0
_CLONE_NEWNS = 0x00020000
_MS_PRIVATE = 0x40000


def enter_private_mounts() -> None:
    """Have what this process mounts from now on go with it; call it before any thread starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"no private mounts: {os.strerror(number)}")
    mount("none", Path("/"), flags=MS_REC | _MS_PRIVATE)


class StormyPlane(ControlPlane):
    """Reached at `address` by other machines, and at 127.0.0.1 by users.

    A process that ends is started again by `tend`, unless a fault keeps it down.
    """

    def __init__(self, directory: Path, address: str) -> None:
        super().__init__(directory, audit=True)
        self._address = address
        self._down: dict[str, bool] = {}
        self._started_at: dict[str, float] = {}

    def kill_process(self, name: str) -> None:
        """End it as `kill -9` does, and keep it down until `tend` may start it."""
        self._down[name] = True
        self._signal(name, signal.SIGKILL)

    def revive(self, name: str) -> None:
        self._down[name] = False

    def pause_process(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def resume_process(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def tend(self) -> str | None:
        """Start what has ended and is not kept down; return what is to be told of that."""
        told = None
        for name in (ETCD, API_SERVER):
            waited = time.monotonic() - self._started_at.get(name, 0.0)
            if self.pid_of(name) is None and not self._down.get(name) and waited > BACK_OFF_S:
                self._started_at[name] = time.monotonic()
                self.start_process(name)
                told = f"{name} is started again"
        return told

    def fill_disk(self) -> None:
        """Leave etcd not a byte."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:  # until there is no space left
                ballast.write(bytes(CHUNK))

    def free_disk(self) -> None:
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.layout.etcd / "ballast"

    def _signal(self, name: str, number: int) -> None:
        pid = self.pid_of(name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _choose_addresses(self) -> Addresses:
        chosen = Addresses.on_loopback()
        return replace(chosen, bind="0.0.0.0", advertise=self._address)  # noqa: S104

    def _server_addresses(self) -> list[str]:
        return [*super()._server_addresses(), self._address]

    def _launch(self) -> Session:
        self.layout.etcd.mkdir()
        mount("tmpfs", self.layout.etcd, "tmpfs", options=f"size={DISK_MIB}m,mode=700")
        return super()._launch()
