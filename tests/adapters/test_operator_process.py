"""`quiver operator` as a process: what it says while it waits, and how it ends."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"
DEADLINE_S = 30.0


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of its own, without CRDs."""
    with ControlPlane(tmp_path / "bare") as running:
        yield running


def within_deadline(answer: Callable[[], str | None], what: str) -> str:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = answer()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {DEADLINE_S:g} s")


class OperatorProcess:
    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        found = within_deadline(self._address, "the address of the probes is logged")
        self.address = found

    def _address(self) -> str | None:
        found = re.search(r"metrics at (http://\S+)", self.log.read_text())
        return found[1] if found else None

    def readyz(self) -> str:
        try:
            return self._get("/readyz")
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode().strip()

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:  # noqa: S310 - http
            content: bytes = answer.read()
            return content.decode().strip()

    def until_readyz(self, holds: Callable[[str], bool], what: str) -> None:
        within_deadline(lambda: text if holds(text := self.readyz()) else None, what)


@contextmanager
def operator(cluster: ControlPlane, log: Path) -> Iterator[OperatorProcess]:
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "POD_NAMESPACE": "default",
    }
    command = [sys.executable, "-m", "quiver", "operator", "--http", "127.0.0.1:0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stderr=output)
    try:
        yield OperatorProcess(process, log)
    finally:
        process.kill()
        process.wait()


def test_it_waits_for_the_crds_and_ends_when_told(bare: ControlPlane, tmp_path: Path) -> None:
    """Without CRDs it is not ready and says why; with them it is; SIGTERM ends it in seconds."""
    with operator(bare, tmp_path / "log") as running:
        running.until_readyz(lambda text: "kubectl apply -f crds/" in text, "it names the cure")
        bare.kubectl("apply", "--server-side", f"--filename={CRDS}")
        running.until_readyz(lambda text: text == "ok", "it is ready")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
        lines = running.log.read_text()
    assert "Traceback" not in lines
    assert lines.rstrip().endswith("stopped")
