"""Engines and operators as processes, and what they use."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from localcluster.processes import die_with_parent

_LISTENING = re.compile(r"listening grpc=(\S+)")
_SERVING = re.compile(r"probes and metrics at (http://\S+)")
START_S = 30


class Measured:
    """A process; what it uses is read from the kernel."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mib(self) -> float:
        return self._mib("VmRSS")

    @property
    def peak_rss_mib(self) -> float:
        return self._mib("VmHWM")

    def _mib(self, field: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> None:
        _stop(self._process)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()


class Engine(Measured):
    """An engine process on free ports; `start_s` is from its start until it says it serves."""

    def __init__(self, directory: Path, name: str = "engine", *options: str) -> None:
        self._log = directory / f"{name}.log"
        self.data_dir = directory / name
        begun = time.perf_counter()
        places = ["--data-dir", str(self.data_dir), "--listen", "127.0.0.1:0"]
        command = ["quiver", "engine", *places, "--http", "127.0.0.1:0", *options]
        super().__init__(_start(command, self._log))
        self.address = _wait_for(_LISTENING, self._log)[1]
        self.start_s = time.perf_counter() - begun


class Operator(Measured):
    """An operator process."""

    def __init__(
        self, module: Sequence[str], options: Sequence[str], kubeconfig: Path, log: Path
    ) -> None:
        """`module` is what `python -m` runs, with its command."""
        self.started_at = time.monotonic()
        self._log = log
        environment = {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": "default"}
        super().__init__(_start([*module, *options], log, environment))

    @classmethod
    def quiver(cls, kubeconfig: Path, log: Path, *options: str) -> "Operator":
        options = ("--http", "127.0.0.1:0", "--allow-engine-cidr", "127.0.0.0/8", *options)
        return cls(["quiver", "operator"], options, kubeconfig, log)

    async def samples(self) -> dict[str, float]:
        """Return all metrics that Quiver's operator serves, by name and labels as in the text."""
        served = await asyncio.to_thread(_wait_for, _SERVING, self._log)
        async with aiohttp.ClientSession() as session, session.get(f"{served[1]}/metrics") as got:
            return samples_in(await got.text())


def samples_in(text: str) -> dict[str, float]:
    """Return the values of a Prometheus text, by `name{label="value",…}` with sorted labels."""
    return {
        sample.name
        + "{"
        + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _start(
    module: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", *module]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            preexec_fn=die_with_parent,  # noqa: PLW1509 - it only makes system calls
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def _wait_for(pattern: re.Pattern[str], log: Path) -> re.Match[str]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if found := pattern.search(log.read_text()):
            return found
        time.sleep(0.005)
    raise RuntimeError(f"no line like {pattern.pattern!r} in:\n{log.read_text()}")
