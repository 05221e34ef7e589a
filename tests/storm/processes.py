"""The storm's own processes: started again when they end, as a kubelet does it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BACK_OFF_S = 2.0


@dataclass
class Exit:
    """A process that ended though nobody killed it."""

    code: int
    last_line: str


@dataclass
class Process:
    """`enter` runs in the child before the program; a fault may set `wanted` to false."""

    name: str
    argv: Sequence[str]
    log: Path
    enter: Callable[[], None]
    environment: dict[str, str] = field(default_factory=dict)
    wanted: bool = False
    exits: list[Exit] = field(default_factory=list)
    _child: "subprocess.Popen[bytes] | None" = None
    _ended_at: float = 0.0

    def start(self) -> None:
        self.wanted = True
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                preexec_fn=self.enter,  # noqa: PLW1509 - it only makes system calls
            )

    def kill(self) -> None:
        """End it as `kill -9` does, and keep it down."""
        self.wanted = False
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def tend(self) -> str | None:
        """Start it again if it has ended by itself; return what is to be told of that."""
        if not self.wanted:
            return None
        if self._child is None:
            if time.monotonic() - self._ended_at >= BACK_OFF_S:
                self.start()
            return None
        code = self._child.poll()
        if code is None:
            return None
        self._child, self._ended_at = None, time.monotonic()
        self.exits.append(Exit(code, last_line(self.log)))
        return f"{self.name} ended with status {code}: {self.exits[-1].last_line}"

    @property
    def rss_mib(self) -> float:
        """Resident memory; 0 while it does not run."""
        if self._child is None:
            return 0.0
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def _signal(self, number: int) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, number)


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return lines[-1] if lines else ""
