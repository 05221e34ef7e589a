"""A cluster that stays when the command that started it has returned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import ControlPlane
from localcluster.errors import ProcessFailedError
from machine.modules import module_environment


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `localcluster` as a process of its own."""
    command = [sys.executable, "-m", "localcluster", *arguments]
    return subprocess.run(
        command, env=module_environment(), capture_output=True, text=True, check=False
    )


def test_up_status_kubeconfig_down(tmp_path: Path) -> None:
    """`up` leaves a cluster standing, `status` describes it, `down` takes it away."""
    where = ["--dir", str(tmp_path / "cluster")]
    started = run("up", "--no-node", "--audit", *where)
    assert started.returncode == 0, started.stderr
    try:
        again = run("up", "--no-node", *where)
        assert "up already" in again.stderr
        shown = run("status", *where)
        assert shown.returncode == 0
        for expected in ("https://127.0.0.1:", "kube-apiserver", "etcd.log", "audit log"):
            assert expected in shown.stdout
        kubeconfig = Path(run("kubeconfig", *where).stdout.strip())
        assert kubeconfig.exists()
        assert started.stdout == f"export KUBECONFIG={kubeconfig}\n"
    finally:
        gone = run("down", *where)
    assert gone.returncode == 0, gone.stderr
    assert not (tmp_path / "cluster").exists()
    assert run("status", *where).returncode == 3


def test_a_process_that_ends_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the process and its log, and shows the log's last lines."""
    assets = tmp_path / "assets"
    assets.mkdir()
    etcd = assets / "etcd"
    etcd.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo etcd Version: 3.7.0 && exit\n'
        "echo the disk is full; exit 7\n"
    )
    etcd.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    with pytest.raises(ProcessFailedError) as failure:
        ControlPlane(tmp_path / "cluster").start()
    message = str(failure.value)
    assert "etcd ended with status 7" in message
    assert str(tmp_path / "cluster" / "logs" / "etcd.log") in message
    assert "the disk is full" in message
