"""The storm's own processes: started again when they end, as a kubelet does it."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from machine.processes import ChildProcess

BACK_OFF_S = 2.0


@dataclass
class Exit:
    """A process that ended though nobody killed it."""

    code: int
    last_line: str


class Process(ChildProcess):
    """`enter` runs in the child before the program; a fault may set `wanted` to false.

    `exits` are its ends of its own accord.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        enter: Callable[[], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(argv, log, environment=environment, append=True, preexec_fn=enter)
        self.name = name
        self.wanted = False
        self.exits: list[Exit] = []
        self._ended_at: float | None = None

    def start(self) -> Self:
        self.wanted, self._ended_at = True, None
        return super().start()

    def kill(self) -> None:
        """End it as `kill -9` does, and keep it down."""
        self.wanted = False
        if self.is_running:
            super().kill()

    def pause(self) -> None:
        if self.is_running:
            self.send(signal.SIGSTOP)

    def resume(self) -> None:
        if self.is_running:
            self.send(signal.SIGCONT)

    def tend(self) -> str | None:
        """Start it again if it has ended by itself; return what is to be told of that."""
        if not self.wanted or self.is_running:
            return None
        if self._ended_at is not None:
            if time.monotonic() - self._ended_at >= BACK_OFF_S:
                self.start()
            return None
        self._ended_at = time.monotonic()
        self.exits.append(Exit(self.exit_code or 0, last_line(self.log)))
        return f"{self.name} ended with status {self.exit_code}: {self.exits[-1].last_line}"


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return lines[-1] if lines else ""
