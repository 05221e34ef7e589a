"""The cgroups below which a cluster's pods run: made before the kubelet, removed after it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

UNIFIED_CONTROLLERS = {"cpu", "cpuset", "io", "memory", "pids"}
REMOVE_TIMEOUT_S = 10.0
RETRY_S = 0.05


def hierarchies() -> list[tuple[str, Path]]:
    """Mounted cgroup hierarchies: (`cgroup` or `cgroup2`, mount point)."""
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, Path(target)))
    return found


def is_unified() -> bool:
    """Whether this machine runs cgroup v2 alone, so that kubelet and runc use that."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def create(mark: str, children: Iterable[str]) -> None:
    """Make `/mark/child` in every hierarchy that kubelet looks at. Raises OSError."""
    unified = is_unified()
    for kind, root in hierarchies():
        if kind == "cgroup2" and not unified:
            continue
        for child in children:
            (root / mark / child).mkdir(parents=True, exist_ok=True)
        if unified:
            _pass_on_controllers(root)
            _pass_on_controllers(root / mark)


def _pass_on_controllers(group: Path) -> None:
    available = set((group / "cgroup.controllers").read_text().split())
    control = group / "cgroup.subtree_control"
    missing = UNIFIED_CONTROLLERS & available - set(control.read_text().split())
    if missing:
        control.write_text(" ".join(f"+{name}" for name in sorted(missing)))


def remove(mark: str) -> None:
    """Remove `/mark` and all below it, ending what still runs there; nothing else is touched.

    Raises OSError when a process refuses to go for 10 s.
    """
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    for _, root in hierarchies():
        while (root / mark).exists():
            try:
                _remove_tree(root / mark)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)


def leftovers(mark: str) -> list[Path]:
    """The cgroups of that mark that exist."""
    return [root / mark for _, root in hierarchies() if (root / mark).exists()]


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        for pid in (Path(folder) / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        Path(folder).rmdir()
