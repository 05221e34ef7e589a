"""An engine as its users run it: a process of its own, on free ports."""

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 30.0
STOP_S = 30.0
_LISTENING = re.compile(r"listening grpc=(\S+) http=([^\s\"]+)")


class EngineProcess:
    """`python -m quiver_engine` on a data directory; its addresses are known once it started.

    `program` is what Python is given in place of `-m quiver_engine`.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str = "127.0.0.1",
        program: Sequence[str] = ("-m", "quiver_engine"),
    ) -> None:
        self.data_dir = data_dir
        self.grpc_address = f"{host}:0"
        self.http_address = f"{host}:0"
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, under: Sequence[str] = ()) -> Self:
        """Start and wait until it serves; a second start takes the same ports again.

        `under` goes before the command.
        """
        command = [*under, sys.executable, *self.program, "--data-dir", str(self.data_dir)]
        command += ["--listen", self.grpc_address, "--http", self.http_address, *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        self.grpc_address, self.http_address = self._wait_until_listening()
        return self

    def _wait_until_listening(self) -> tuple[str, str]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if found := _LISTENING.search(self.log.read_text()):
                return found[1], found[2]
            if self._running.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the engine did not start:\n{self.log.read_text()}")

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the engine was not started")
        return self._process

    @property
    def pid(self) -> int:
        return self._running.pid

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self._running.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        return self._running.wait(STOP_S)

    def stop(self) -> int:
        """Let it drain and end; return the exit code."""
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._running.kill()
        self.wait()

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of its HTTP side."""
        try:
            with urllib.request.urlopen(f"http://{self.http_address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
