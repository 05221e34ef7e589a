"""The demo in a cluster of somebody's: localcluster's, as if it were that."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
KINDS = "namespaces,crds,clusterroles,clusterrolebindings,persistentvolumes"
ENGINE_KILLED = "The engine is killed, and its vectors are there again"
AFTER_IT = "Everything is deleted"


@pytest.mark.node
@pytest.mark.xdist_group("node")
@pytest.mark.timeout(400)
def test_what_it_made_is_gone_after_ctrl_c(cluster: Cluster) -> None:
    """Interrupted late in the story, the demo leaves the cluster as it was."""
    cluster.load_images(["operator", "engine"])
    before = _names(cluster)
    told = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "demo", "--kubeconfig", str(cluster.kubeconfig)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        for line in demo.stdout or ():
            told.append(line)
            if AFTER_IT in line:
                demo.send_signal(signal.SIGINT)
    said = "".join(told)
    assert AFTER_IT in said, said
    assert "new_9" in said.partition(ENGINE_KILLED)[2], said
    assert _names(cluster) == before, said


def _names(cluster: Cluster) -> set[str]:
    return set(cluster.kubectl("get", KINDS, "-o", "name").split())
