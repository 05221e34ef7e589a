"""An operator as a process, with its probes and metrics on a free port."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine.http import get
from machine.processes import ChildProcess

OPERATOR = ("-m", "quiver", "operator", "--http", "127.0.0.1:0")
SERVING = r"probes and metrics at (http://\S+)"


class OperatorProcess(ChildProcess):
    """`python -m quiver operator`, with the rights that a kubeconfig gives.

    `arguments` come after `program`, which is what Python is given; `options` are those of
    `ChildProcess`.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *arguments: str,
        program: Sequence[str] = OPERATOR,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        argv = [sys.executable, *program, *arguments]
        variables = {"KUBECONFIG": str(kubeconfig), **(environment or {})}
        super().__init__(argv, log, environment=variables, **options)

    def url(self) -> str:
        """Wait until it serves probes and metrics; return where."""
        return self.wait_for(SERVING)[1]

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of its HTTP side."""
        return get(self.url() + path)
