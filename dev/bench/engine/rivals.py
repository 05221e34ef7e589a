"""Servers to compare with: what they are installed from, and how they are started.

Each has a virtual environment of its own under the user's cache, made once; removing the folder has
it made anew.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ENVIRONMENTS = Path.home() / ".cache" / "quiver-bench"
ROOT = Path(__file__).parents[3]


class CannotRun(Exception):
    """Why a server cannot be measured here."""


@dataclass(frozen=True)
class Rival:
    """`command` is given the environment's programs, the data directory and a port."""

    name: str
    packages: tuple[str, ...]
    command: Callable[[Path, Path, int], list[str]]


def _milvus(programs: Path, data: Path, port: int) -> list[str]:
    ports = ["--proxy-port", str(port), "--etcd-port", str(free_port())]
    return [str(programs / "milvus-server"), "--data", str(data), *ports]


def _lite(programs: Path, data: Path, port: int) -> list[str]:
    where = ["--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)]
    return [str(programs / "milvus-lite"), "server", *where]


RIVALS = (
    Rival(
        "milvus 2.3.5",
        # pymilvus 2.3 needs older ones of the last two than it says.
        ("milvus==2.3.5", "pymilvus==2.3.7", "setuptools==80.9.0", "marshmallow==3.26.1"),
        _milvus,
    ),
    Rival("milvus-lite 3.2.2", ("milvus-lite==3.2.2", "pymilvus==3.0.2"), _lite),
)


def programs_of(rival: Rival) -> Path:
    """Return the folder of the environment's programs; raises CannotRun when it cannot be had."""
    folder = ENVIRONMENTS / rival.name.replace(" ", "-")
    done = folder / ".packages"
    wanted = "\n".join(rival.packages)
    if done.exists() and done.read_text() == wanted:
        return folder / "bin"
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *rival.packages)
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        raise CannotRun(f"{', '.join(rival.packages)} cannot be installed: {said}") from error
    done.write_text(wanted)
    return folder / "bin"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Driver:
    """A process that drives one server; `do` raises CannotRun with what it says."""

    def __init__(self, rival: Rival, directory: Path) -> None:
        self._rival, self._directory = rival, directory
        self._programs = programs_of(rival)
        self._log = directory / "driver.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "python"),
                    "-W",
                    "ignore",
                    "-m",
                    "bench.engine.milvus_client",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT / "dev",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # It ends the server when there are no more lines.
        self._process.communicate()

    def start_server(self, dimension: int) -> float:
        """Start the server and make a collection; return the seconds that both took."""
        port = free_port()
        command = self._rival.command(self._programs, self._directory / "data", port)
        started = self.do(
            "start",
            command=command,
            address=f"127.0.0.1:{port}",
            log=str(self._directory / "server.log"),
        )
        made = self.do("create", dimension=dimension, begun=started["begun"])
        seconds: float = made["start_s"]
        return seconds

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            raise CannotRun(f"its client ended: {self._log.read_text().strip()[-300:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise CannotRun(f"{what}: {answer['error'][:300]}")
        return answer
