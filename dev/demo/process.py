"""A program of Quiver that runs on this machine, for stages without a node."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.shell import Unexpected
from localcluster.processes import die_with_parent

QUIVER = Path(sys.executable).with_name("quiver")
START_S = 30
STOP_S = 10
POLL_S = 0.05


class Process:
    """`quiver …` as a child that ends with the demo, however that ends; its output is in `log`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._from = output.tell()
            self._process = subprocess.Popen(
                [QUIVER, *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for the demo, which then ends it.
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it only makes system calls
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until this run's output matches."""
        deadline = time.monotonic() + START_S
        while True:
            said = self.log.read_bytes()[self._from :].decode(errors="replace")
            if match := re.search(pattern, said):
                return match
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unexpected(f"a line that matches {pattern!r} in {self.log}", said[-2000:])
            time.sleep(POLL_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
