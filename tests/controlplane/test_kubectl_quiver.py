"""`kubectl quiver`, with kubectl itself."""

import os
import subprocess
from pathlib import Path

import pytest

from localcluster import ControlPlane
from quiver import __version__
from support.quiver_programs import installed_programs


def run(
    quiver_api: ControlPlane, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": installed_programs(folder),
        "KUBECONFIG": str(quiver_api.kubeconfig),
    }
    return subprocess.run(
        [str(quiver_api.binaries.path("kubectl")), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )


def test_it_is_a_plugin(quiver_api: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """With its own options, its own name, and the exit codes of `quiver`."""
    version = run(quiver_api, tmp_path, "quiver", "--version")
    assert version.stdout == f"quiver, version {__version__}\n"
    assert "Usage: kubectl quiver " in run(quiver_api, tmp_path, "quiver", "--help").stdout
    status = run(quiver_api, tmp_path, "quiver", "status", "-n", namespace)
    assert (status.returncode, status.stderr) == (0, "")
    assert f"in namespace {namespace}" in status.stdout
    wrong = run(quiver_api, tmp_path, "quiver", "status", "vcol/none", "-n", namespace)
    assert wrong.returncode == 1


@pytest.mark.parametrize(
    ("words", "completed", "directive"),
    [
        (("quiver", "stat"), {"status"}, 4),
        (("quiver", "completion", ""), {"bash", "zsh", "fish"}, 4),
        (("quiver", "status", "--all"), {"--all-namespaces"}, 4),
        (("quiver", "status", "--kubeconfig", ""), set(), 0),
    ],
)
def test_kubectl_completes_it(
    quiver_api: ControlPlane,
    tmp_path: Path,
    words: tuple[str, ...],
    completed: set[str],
    directive: int,
) -> None:
    """Through the program `kubectl_complete-quiver`; paths are completed as files."""
    lines = run(quiver_api, tmp_path, "__complete", *words).stdout.splitlines()
    assert {line.partition("\t")[0] for line in lines[:-1]} == completed
    assert lines[-1] == f":{directive}"
