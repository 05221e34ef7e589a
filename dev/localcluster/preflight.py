"""What keeps a node from running on this machine, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from localcluster import cgroups, runc
from localcluster.errors import LocalClusterError
from machine import debian

Problem = tuple[str, str]
NEEDED_CONTROLLERS = ("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids")
NAMESPACES = ("--fork", "--pid", "--mount-proc", "--mount", "--net", "--uts", "--ipc")
CONTAINER_HINT = "inside a container, run it privileged"


def node_problems() -> list[Problem]:
    """(what is missing, its remedy) for each obstacle; empty when a node can run.

    It tries what a node does (namespaces, an overlay mount, a cgroup) and leaves nothing.
    """
    if platform.system() != "Linux":
        return [("this is not Linux", "use a Linux machine, or a control plane without a node")]
    if os.geteuid() != 0:
        return [("you are not root", "run as root, or use a control plane without a node")]
    checks: list[Callable[[], Iterator[Problem]]] = [
        _namespaces,
        _overlay,
        _cgroups,
        _runc,
        _networks,
    ]
    return [problem for check in checks for problem in check()]


def require_node() -> None:
    """Raise LocalClusterError, with every remedy, where a node cannot run."""
    problems = node_problems()
    if problems:
        lines = [f"- {what}. Remedy: {remedy}" for what, remedy in problems]
        lines.append("Without a node it works: python -m localcluster up --no-node")
        raise LocalClusterError("\n".join(["this machine cannot run a node:", *lines]))


def _namespaces() -> Iterator[Problem]:
    if shutil.which("unshare") is None:
        yield "the program unshare is missing", "apt-get install util-linux"
    elif error := _failure("unshare", *NAMESPACES, "true"):
        yield f"namespaces cannot be made ({error})", f"allow them; {CONTAINER_HINT}"


def _overlay() -> Iterator[Problem]:
    with tempfile.TemporaryDirectory(prefix="localcluster-preflight-") as name:
        folder = Path(name)
        for part in ("lower", "upper", "work", "merged"):
            (folder / part).mkdir()
        layers = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        mount = ("mount", "-t", "overlay", "overlay", "-o", layers, f"{folder}/merged")
        if error := _failure("unshare", "--mount", *mount):
            yield (
                f"overlay file systems cannot be mounted in {folder.parent} ({error})",
                "modprobe overlay; set TMPDIR to a folder that is not itself an overlay",
            )


def _cgroups() -> Iterator[Problem]:
    unified = cgroups.is_unified()
    available = {name for kind, root in cgroups.hierarchies() for name in _controllers(kind, root)}
    missing = [name for name in NEEDED_CONTROLLERS if not unified and name not in available]
    if missing:
        yield (
            f"cgroup v1 controllers are not mounted: {', '.join(missing)}",
            f"mount them below /sys/fs/cgroup, or use cgroup v2; {CONTAINER_HINT}",
        )
        return
    mark = f"qv-preflight-{uuid.uuid4().hex[:8]}"
    try:
        cgroups.create(mark, ["node"])
    except OSError as error:
        yield f"cgroups cannot be made ({error})", f"mount them writable; {CONTAINER_HINT}"
    finally:
        cgroups.remove(mark)


def _controllers(kind: str, root: Path) -> list[str]:
    if kind == "cgroup2":
        return []
    return root.name.split(",")


def _runc() -> Iterator[Problem]:
    if runc.find_runc() is None and not debian.can_unpack():
        yield "there is no runc >= 1.1, and no apt-get to fetch it with", runc.REMEDY


def _networks() -> Iterator[Problem]:
    if importlib.util.find_spec("pyroute2") is None:
        yield "the Python package pyroute2 is missing", "make setup"
        return
    from localcluster import network  # noqa: PLC0415 - needs pyroute2

    try:
        network.choose_plan()
    except LocalClusterError as error:
        yield "no network is free for the cluster", str(error)


def _failure(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"status {done.returncode}") if done.returncode else ""
