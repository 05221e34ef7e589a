"""The engine and the operator as processes, and what they use."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

_LISTENING = re.compile(r"listening grpc=(\S+)")
START_S = 30


class Engine:
    """An engine process on free ports."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "engine.log"
        options = ["--data-dir", str(directory / "engine"), "--listen", "127.0.0.1:0"]
        self._process = _start(["engine", *options, "--http", "127.0.0.1:0"], self._log, {})
        self.address = _wait_for(_LISTENING, self._log)

    def stop(self) -> None:
        _stop(self._process)


class Operator:
    """An operator process; `cpu_s` and `peak_rss_mib` are read from the kernel."""

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        options = ["--http", "127.0.0.1:0", "--resync-period", "600"]
        self._process = _start(["operator", *options], log, {"KUBECONFIG": str(kubeconfig)})

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_rss_mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> None:
        _stop(self._process)


def _start(arguments: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "quiver", *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def _wait_for(pattern: re.Pattern[str], log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if found := pattern.search(log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise RuntimeError(f"no line like {pattern.pattern!r} in:\n{log.read_text()}")
