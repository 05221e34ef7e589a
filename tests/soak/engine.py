"""The engine's process: started, ended in both ways, and what it uses, as the kernel tells it."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_LISTENING = re.compile(r"listening grpc=(\S+) http=")
START_S, STOP_S = 60.0, 60.0
_MIB = 1 << 20
# Not by preexec_fn: a fork of a process with gRPC's threads may hang in whatever it runs.
_PROGRAM = """
import runpy
from localcluster.processes import die_with_parent
die_with_parent()
runpy.run_module("quiver_engine", run_name="__main__", alter_sys=True)
"""


class EngineEnded(Exception):
    """The engine ended though nobody told it to, or ended in a wrong way."""


@dataclass(frozen=True)
class Use:
    """What a process uses: descriptors of segments and indexes are counted apart.

    `open_deleted` are files that are removed and held open all the same.
    """

    rss_mib: float
    anonymous_mib: float
    threads: int
    descriptors: int
    segment_descriptors: int
    open_deleted: list[str]


class Engine:
    """An engine on one data directory, which dies with us; after an end it can be started again."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._log = folder / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> str:
        """Start it and wait until it serves; return its address. Raises EngineEnded."""
        command = [sys.executable, "-c", _PROGRAM, "--data-dir", str(self.data)]
        command += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        self._log.touch()
        beginning = self._log.stat().st_size
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self.starts += 1
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.is_running:
            if found := _LISTENING.search(self._log.read_bytes()[beginning:].decode()):
                return found[1]
            time.sleep(0.02)
        raise EngineEnded(f"it did not start: {self.last_lines}")

    @property
    def last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    @property
    def complaints(self) -> list[str]:
        """Lines of its log that tell of something worse than a refused call."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if re.search(r"ERROR|CRITICAL|Traceback|damaged", line)]

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell_to_end(self) -> None:
        """Send SIGTERM and return at once."""
        self._running.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait for its end; raises EngineEnded where that is not as it should be."""
        code = self._running.wait(STOP_S)
        if code:
            raise EngineEnded(f"after SIGTERM its exit code is {code}: {self.last_lines}")

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._running.kill()
        self._running.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EngineEnded("it was not started")
        return self._process

    def use(self) -> Use:
        proc = Path(f"/proc/{self._running.pid}")
        status = (proc / "status").read_text()
        opened = [_target(entry) for entry in (proc / "fd").iterdir()]
        ours = [path for path in opened if path.startswith(f"{self.data}/segments/")]
        return Use(
            rss_mib=_number(status, "VmRSS") / 1024,
            anonymous_mib=_number(status, "RssAnon") / 1024,
            threads=_number(status, "Threads"),
            descriptors=len(opened) - len(ours),
            segment_descriptors=len(ours),
            open_deleted=[path for path in ours if path.endswith("(deleted)")],
        )

    def disk_mib(self, below: str = "") -> float:
        """Return what the files in the data directory, or a directory of it, hold."""
        return sum(map(_size, (self.data / below).rglob("*"))) / _MIB

    def segment_files(self) -> list[str]:
        """Return the names of the files of segments and indexes."""
        return sorted(path.name for path in (self.data / "segments").iterdir())

    def file_sizes(self) -> dict[str, int]:
        """Return the bytes of each file of segments and indexes."""
        return {path.name: _size(path) for path in (self.data / "segments").iterdir()}


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)  # noqa: PTH115 - what is removed says "(deleted)", no path
    except OSError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _number(status: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found[1])
