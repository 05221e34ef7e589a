"""An engine as its users run it: a process of its own, on free ports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from machine.http import get
from machine.processes import ChildProcess

ENGINE = ("-m", "quiver_engine")
LISTENING = r"listening grpc=(\S+) http=([^\s\"]+)"


class EngineProcess(ChildProcess):
    """`python -m quiver_engine` on a data directory; its addresses are known once it started.

    Its log lies beside the data directory. `program` is what Python is given in place of
    `-m quiver_engine`, `options` are those of `ChildProcess`.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str = "127.0.0.1",
        program: Sequence[str] = ENGINE,
        **options: Any,
    ) -> None:
        super().__init__([sys.executable], data_dir.with_name(f"{data_dir.name}.log"), **options)
        self.data_dir = data_dir
        self.grpc_address = f"{host}:0"
        self.http_address = f"{host}:0"
        self.program = program

    def start(self, *options: str, under: Sequence[str] = ()) -> Self:
        """Start and wait until it serves; a second start takes the same ports again.

        `under` goes before the command. Raises ProcessFailed.
        """
        command = [*under, sys.executable, *self.program, "--data-dir", str(self.data_dir)]
        addresses = ["--listen", self.grpc_address, "--http", self.http_address]
        self.argv = [*command, *addresses, *options]
        super().start()
        found = self.wait_for(LISTENING)
        self.grpc_address, self.http_address = found[1], found[2]
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of its HTTP side."""
        return get(f"http://{self.http_address}{path}")
