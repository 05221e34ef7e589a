"""Taking a cluster away from outside: works after a crash, and touches only what is its own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from localcluster import cgroups, network
from localcluster.errors import LocalClusterError
from localcluster.layout import Layout

TIMEOUT_S = 15.0
POLL_S = 0.05


def supervisors(directory: Path) -> list[int]:
    """The processes that run a supervisor whose specification lies below `directory`.

    The command line alone decides, so a recycled process id is never taken for one.
    """
    below = f"{directory}/"
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        is_below = any(argument.startswith(below) for argument in arguments)
        if "localcluster.supervisor" in arguments and is_below:
            found.append(process.pid)
    return found


def tear_down(layout: Layout) -> None:
    """End the cluster's processes, then remove its cgroups, link and data; logs stay.

    Its mounts go with its namespaces. Raises LocalClusterError when something
    refuses to go.
    """
    _wait_until(lambda: not _kill(supervisors(layout.directory)), "its processes", layout)
    cgroups.remove(layout.mark)
    if (Path("/sys/class/net") / layout.mark).exists():
        network.remove_link(layout.mark)
    layout.discard_bulk()


def _kill(pids: list[int]) -> list[int]:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


def _wait_until(condition: Callable[[], bool], what: str, layout: Layout) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise LocalClusterError(
                f"waited {TIMEOUT_S:.0f} s in vain for {what} to go (cluster in "
                f"{layout.directory}). Look at what `ps` shows with that folder, and try again."
            )
        time.sleep(POLL_S)
