"""`quiver operator` as a process: what it says while it waits, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import ControlPlane
from machine.operator_process import OperatorProcess
from support.waiting import wait_until

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of its own, without CRDs."""
    with ControlPlane(tmp_path / "bare") as running:
        yield running


class Operator(OperatorProcess):
    def readyz(self) -> str:
        return self.get("/readyz")[1].strip()


def test_it_waits_for_the_crds_and_ends_when_told(bare: ControlPlane, tmp_path: Path) -> None:
    """Without CRDs it is not ready and says why; with them it is; SIGTERM ends it in seconds."""
    environment = {"POD_NAMESPACE": "default"}
    with Operator(bare.kubeconfig, tmp_path / "log", environment=environment) as running:
        wait_until(lambda: "kubectl apply -f crds/" in running.readyz(), "it names the cure")
        bare.kubectl("apply", "--server-side", f"--filename={CRDS}")
        wait_until(lambda: running.readyz() == "ok", "it is ready")
        assert running.stop(10) == 0
    lines = running.output
    assert "Traceback" not in lines
    assert lines.rstrip().endswith("stopped")
