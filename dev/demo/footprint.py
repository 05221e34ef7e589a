"""What there is of a stage: looked up before its end, so that its end can be checked."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from localcluster import cgroups

Footprint = Mapping[str, Sequence[str]]
"""Names of what belongs to a stage, by kind."""


def counted(footprint: Footprint) -> str:
    return ", ".join(f"{len(names)} {kind}" for kind, names in footprint.items())


def on_this_machine(directory: Path, mark: str) -> Footprint:
    """Find what names the stage's `directory`, or carries its `mark`."""
    return {
        "processes": _processes(str(directory), mark),
        "mounts": _mounts(str(directory)),
        "network links": [p.name for p in Path("/sys/class/net").iterdir() if p.name == mark],
        "cgroups": [str(p) for p in cgroups.leftovers(mark)],
    }


def _processes(directory: str, mark: str) -> list[str]:
    """A process belongs to the stage by its command line, its environment or its cgroup."""
    sought = {"cmdline": directory.encode(), "environ": directory.encode(), "cgroup": mark.encode()}
    processes = (p for p in Path("/proc").iterdir() if p.name.isdigit())
    return [p.name for p in processes if any(_holds(p / f, text) for f, text in sought.items())]


def _holds(file: Path, text: bytes) -> bool:
    with suppress(OSError):
        return text in file.read_bytes()
    return False


def _mounts(directory: str) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if directory in line]
