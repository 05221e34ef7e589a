"""A cluster never outlives its owner, and `down` clears up after every crash."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from localcluster import Cluster, ControlPlane, cgroups, preflight
from localcluster.cli import main
from localcluster.layout import Layout
from localcluster.teardown import supervisors, tear_down
from machine.modules import module_environment

DEADLINE_S = 30.0

OWNER = """\
import sys
from pathlib import Path
from localcluster import Cluster, ControlPlane
with {kind}(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def processes_of(directory: Path) -> list[str]:
    """The command lines of all processes that mention the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{directory}" in command:
                found.append(command.replace("\0", " "))
    return found


def traces_of(directory: Path) -> list[str]:
    """Everything on this machine, outside of its folder, that is the cluster's."""
    layout = Layout(directory)
    links = [f"link {path}" for path in Path("/sys/class/net").glob(layout.mark)]
    mounts = [
        f"mount {line}"
        for line in Path("/proc/mounts").read_text().splitlines()
        if str(directory) in line or layout.mark in line
    ]
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
    eventually(lambda: not traces_of(directory), "no traces left")


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
        eventually(lambda: not processes_of(crashed), "the crash")
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
