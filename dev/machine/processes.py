"""Programs as child processes: started, waited for, ended, and what they use."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from machine.errors import SetupError

START_S = 60.0
STOP_S = 30.0
POLL_S = 0.005
MIB = 2**20


class ProcessFailed(SetupError):
    """A program ended by itself, or did not say in time what it was to say."""


class ChildProcess:
    """A program whose output goes to the file `log`; after its end it can be started again."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        append: bool = False,
        **options: Any,
    ) -> None:
        """`environment` is given beside ours; `options` are those of `subprocess.Popen`.

        The log holds one run, or all of them where it is to `append`.
        """
        self.argv = argv
        self.log = log
        self._environment = environment or {}
        self._append = append
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._begins_at = 0

    def start(self) -> Self:
        """Start it and return at once."""
        with self.log.open("ab" if self._append else "wb") as output:
            self._begins_at = output.tell()
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment},
                **self._options,
            )
        return self

    @property
    def output(self) -> str:
        """What it has written since it was started last."""
        return self.log.read_bytes()[self._begins_at :].decode(errors="replace")

    def wait_for(self, pattern: str, within_s: float = START_S) -> re.Match[str]:
        """Wait until its output matches; raises ProcessFailed, and then it does not run."""
        end = time.monotonic() + within_s
        while True:
            is_last_look = not self.is_running or time.monotonic() > end
            if found := re.search(pattern, self.output):
                return found
            if is_last_look:
                break
            time.sleep(POLL_S)
        what = f"within {within_s:g} s" if self.is_running else f"before its end ({self.exit_code})"
        self.kill()
        raise ProcessFailed(f"{self.argv[0]}: no line like {pattern!r} {what}:\n{self.output}")

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus the signal's number if one ended it; None while it runs."""
        return self._started.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        self._started.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self.send(signal.SIGTERM)

    def wait(self, within_s: float = STOP_S) -> int:
        """Wait for the end; return the exit code. Raises subprocess.TimeoutExpired."""
        return self._started.wait(within_s)

    def stop(self, within_s: float = STOP_S) -> int:
        """Let it drain and end; return the exit code. Raises subprocess.TimeoutExpired."""
        self.terminate()
        return self.wait(within_s)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._started.kill()
        self.wait()

    @property
    def usage(self) -> psutil.Process:
        """What the kernel tells of it: memory, threads, CPU time, what it has read and written."""
        return psutil.Process(self.pid)

    @property
    def rss_mib(self) -> float:
        """Resident memory; 0 while it does not run."""
        return self.usage.memory_info().rss / MIB if self.is_running else 0.0

    @property
    def cpu_s(self) -> float:
        """CPU time of its own, in user and kernel mode, since its start."""
        times = self.usage.cpu_times()
        return times.user + times.system

    def status_bytes(self, field: str) -> int:
        """Return a size of proc_pid_status(5) that psutil does not know, such as `VmHWM`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise LookupError(f"there is no size {field} in /proc/{self.pid}/status")
        return int(found[1]) * 1024

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ProcessFailed(f"{self.argv[0]}: it was not started")
        return self._process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_running:
            self.kill()
