"""A cluster never outlives its owner, and `down` clears up after every crash."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from localcluster import Cluster, ControlPlane, cgroups, preflight
from localcluster.cli import main
from localcluster.layout import Layout
from localcluster.teardown import supervisors, tear_down
from machine.modules import module_environment
from support.waiting import wait_until

OWNER = """\
import sys
from pathlib import Path
from localcluster import Cluster, ControlPlane
with {kind}(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def processes_of(directory: Path) -> list[str]:
    """The command lines of all processes that mention the folder."""
    running = (p for p in psutil.process_iter(["cmdline"]) if p.pid != os.getpid())
    commands = (" ".join(process.info["cmdline"] or ()) for process in running)
    return [command for command in commands if str(directory) in command]


def traces_of(directory: Path) -> list[str]:
    """Everything on this machine, outside of its folder, that is the cluster's."""
    layout = Layout(directory)
    links = [f"link {path}" for path in Path("/sys/class/net").glob(layout.mark)]
    mounted = map(str, psutil.disk_partitions(all=True))
    mounts = [line for line in mounted if str(directory) in line or layout.mark in line]
    groups = [f"cgroup {path}" for path in cgroups.leftovers(layout.mark)]
    return [*processes_of(directory), *links, *mounts, *groups]


def start_owner(kind: type[ControlPlane], directory: Path) -> subprocess.Popen[str]:
    """A process of its own that holds a cluster open."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(kind=kind.__name__), str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=module_environment(),
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    return owner


KINDS = [
    ControlPlane,
    pytest.param(Cluster, marks=[pytest.mark.node, pytest.mark.xdist_group("node")]),
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_owner_leaves_nothing(kind: type[ControlPlane], tmp_path: Path) -> None:
    """SIGKILL of the owner ends every process, mount, link and cgroup of its cluster."""
    if kind is Cluster and preflight.node_problems():
        pytest.skip(str(preflight.node_problems()))
    directory = tmp_path / "cluster"
    with start_owner(kind, directory) as owner:
        assert processes_of(directory)
        owner.kill()
    wait_until(
        lambda: not traces_of(directory), lambda: f"no trace is left of {traces_of(directory)}"
    )


@pytest.mark.node
@pytest.mark.xdist_group("node")
def test_down_clears_up_after_a_crash_and_touches_nothing_else(tmp_path: Path) -> None:
    """When even the supervisor was killed, `down` removes the remains, and only these."""
    if preflight.node_problems():
        pytest.skip(str(preflight.node_problems()))
    crashed, neighbour = tmp_path / "crashed", tmp_path / "neighbour"
    cluster = Cluster(crashed, gpus=0)
    cluster.start()
    cluster.detach()
    cgroups.create(Layout(neighbour).mark, ["node"])
    try:
        for process in supervisors(crashed):
            with contextlib.suppress(ProcessLookupError):  # it went with the one before
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not processes_of(crashed), "all its processes have ended")
        assert cgroups.leftovers(Layout(crashed).mark)
        result = CliRunner().invoke(main, ["down", "--dir", str(crashed)])
        assert result.exit_code == 0, result.output
        assert not traces_of(crashed)
        assert not crashed.exists()
        assert cgroups.leftovers(Layout(neighbour).mark)
    finally:
        tear_down(Layout(crashed))
        cgroups.remove(Layout(neighbour).mark)


def test_down_refuses_a_folder_that_is_no_cluster(tmp_path: Path) -> None:
    """`down --dir` removes only what `up` made."""
    (tmp_path / "precious").touch()
    result = CliRunner().invoke(main, ["down", "--dir", str(tmp_path)])
    assert "no cluster" in result.output
    assert (tmp_path / "precious").exists()
