"""A short storm: what `make storm` does for a quarter of an hour, in two minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from storm.network import problem

SEED = "1"
SHORT = ["--minutes", "2", "--collections", "120", "--resync-period", "10", "--verify-period", "30"]


@pytest.mark.node
@pytest.mark.xdist_group("node")
@pytest.mark.timeout(600)
def test_a_short_storm_does_no_harm(tmp_path: Path) -> None:
    """Whatever was killed, paused or cut meanwhile: in the end all is as the users asked."""
    why_not = problem()
    if why_not:
        pytest.skip(f"no storm here: {why_not}")
    command = [sys.executable, "-m", "storm", "--seed", SEED, "--folder", str(tmp_path), *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
