"""Runs a cluster's processes and ends with the process that it was started by.

It reads commands on stdin, one per line (`stop NAME`, `start NAME`, `detach`), and reports on
stdout, one JSON object per line. The end of stdin means that the parent is gone: then it exits
at once, and the kernel kills its children (parent-death signal; as process 1 of a namespace,
everything in it).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from localcluster.processes import ProcessSpec, SupervisorSpec
from machine.lifetime import die_with_parent

STARTING_TICK_S = 0.05
RUNNING_TICK_S = 0.2
PROBE_TIMEOUT_S = 2.0
STOP_GRACE_S = 1.5


class Supervisor:
    """Starts processes in order, each when what it needs is there, and reaps them."""

    def __init__(self, spec: SupervisorSpec) -> None:
        """Prepare to run what `spec` names; nothing is started yet."""
        self._specs = {process.name: process for process in spec.processes}
        self._pending = list(spec.processes)
        self._running: dict[int, tuple[ProcessSpec, subprocess.Popen[bytes]]] = {}
        self._stopping: dict[int, float] = {}
        self._commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tls = ssl.create_default_context(cafile=spec.authority)
        self._nested = spec.nested

    def run(self) -> None:
        """Serve until the parent ends or SIGTERM comes."""
        signal.signal(signal.SIGTERM, _exit_now)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not self._nested:
            threading.Thread(target=self._read_commands, daemon=True).start()
        while True:
            with contextlib.suppress(queue.Empty):
                tick = STARTING_TICK_S if self._pending or self._stopping else RUNNING_TICK_S
                self._obey(self._commands.get(timeout=tick))
            self._start_pending()
            self._reap()
            self._kill_overdue()

    def _read_commands(self) -> None:
        attached = True
        for line in sys.stdin:
            attached = attached and line.strip() != "detach"
            self._commands.put(line.strip())
        if attached:
            os._exit(0)

    def _obey(self, command: str) -> None:
        verb, _, name = command.partition(" ")
        if verb == "start":
            self._pending.append(self._specs[name])
        elif verb == "stop":
            for pid, (process, _) in self._running.items():
                if process.name == name:
                    os.kill(pid, signal.SIGTERM)
                    self._stopping[pid] = time.monotonic() + STOP_GRACE_S

    def _start_pending(self) -> None:
        for process in list(self._pending):
            if all(self._answers(probe) for probe in process.needs):
                self._pending.remove(process)
                self._start(process)

    def _start(self, process: ProcessSpec) -> None:
        with Path(process.log).open("ab") as log:
            child = subprocess.Popen(
                list(process.argv),
                stdin=subprocess.DEVNULL,
                # A nested supervisor reports on our stdout; all else writes to its log.
                stdout=None if "localcluster.supervisor" in process.argv else log,
                stderr=log,
                env={**os.environ, **process.environment},
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only makes system calls
            )
        self._running[child.pid] = (process, child)
        _report("started", process.name, pid=child.pid)

    def _answers(self, probe: str) -> bool:
        if probe.startswith("unix:"):
            return _accepts(probe.removeprefix("unix:"))
        try:
            with urllib.request.urlopen(probe, timeout=PROBE_TIMEOUT_S, context=self._tls):  # noqa: S310
                return True
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        if pid not in self._running:
            return
        process, child = self._running.pop(pid)
        child.returncode = code
        wanted = self._stopping.pop(pid, None) is not None
        _report("stopped" if wanted else "exited", process.name, code=code, log=process.log)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, deadline in self._stopping.items():
            if now > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
    return True


def _report(event: str, name: str, **details: object) -> None:
    line = json.dumps({"event": event, "name": name, **details}) + "\n"
    with contextlib.suppress(OSError):
        os.write(1, line.encode())


def _exit_now(*_: object) -> None:
    os._exit(0)


def main() -> None:
    """Run the specification named on the command line."""
    spec = SupervisorSpec.load(Path(sys.argv[1]))
    if spec.private_mounts or spec.network:
        from localcluster import namespaces  # noqa: PLC0415 - needs pyroute2, which a bare plane does not

        namespaces.prepare(spec)
    Supervisor(spec).run()


if __name__ == "__main__":
    main()
