"""What a stage has on this machine: looked up before its end, so that its end can be checked."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from localcluster import cgroups


class Footprint(NamedTuple):
    """Process ids, mount points, network links and cgroups that belong to one stage."""

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    links: tuple[str, ...]
    cgroups: tuple[str, ...]

    @classmethod
    def of(cls, directory: Path, mark: str) -> "Footprint":
        """Find what names the stage's `directory`, or carries its `mark`."""
        return cls(
            processes=tuple(_processes(str(directory), mark)),
            mounts=tuple(_mounts(str(directory))),
            links=tuple(p.name for p in Path("/sys/class/net").iterdir() if p.name == mark),
            cgroups=tuple(str(p) for p in cgroups.leftovers(mark)),
        )

    def __str__(self) -> str:
        counted = (f"{len(found)} {what}" for what, found in zip(self._fields, self, strict=True))
        return ", ".join(counted)


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
