"""The programs that a cluster is made of: found where somebody has them, else built once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.build import build, cached_path
from localcluster.catalogue import CATALOGUE, Program
from localcluster.toolchain import find_go
from machine.progress import Say, quiet


@dataclass(frozen=True)
class Found:
    """Where a program was found, and why that one was taken."""

    path: Path
    origin: str


@dataclass(frozen=True)
class Binaries:
    """Programs by name, ready to run."""

    found: Mapping[str, Found]

    @classmethod
    def ensure(cls, progress: Say | None = None, names: Iterable[str] | None = None) -> Binaries:
        """Find or build the programs in `names` (all of them by default).

        `progress` gets one line per step. Raises BuildError with the compiler's last lines.
        """
        say = progress or quiet
        wanted = [CATALOGUE[name] for name in (names if names is not None else CATALOGUE)]
        elsewhere = {program.name: _provided(program) for program in wanted}
        missing = [program for program in wanted if elsewhere[program.name] is None]
        built = _build_all(missing, say) if missing else {}
        return cls(built | {name: found for name, found in elsewhere.items() if found})

    def path(self, name: str) -> Path:
        """The program's absolute path. Raises KeyError for one that was not asked for."""
        return self.found[name].path

    def origins(self) -> list[str]:
        """One line per program: which was taken, and from where."""
        return [f"{name}: {found.origin} ({found.path})" for name, found in self.found.items()]


def _provided(program: Program) -> Found | None:
    """The program from KUBEBUILDER_ASSETS, or from PATH, where its version fits ours."""
    if program.version_args is None:
        return None
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for origin, folders in (("KUBEBUILDER_ASSETS", assets), ("PATH", os.environ.get("PATH"))):
        candidate = shutil.which(program.name, path=folders) if folders else None
        if candidate and program.fits(Path(candidate)):
            return Found(Path(candidate).absolute(), origin)
    return None


def _build_all(programs: list[Program], say: Say) -> dict[str, Found]:
    go = find_go(say)
    built = {}
    for number, program in enumerate(programs, start=1):
        target = cached_path(program, go)
        if not target.exists():
            build(program, go, _prefixed(say, f"[{number}/{len(programs)}] {program.name}"))
        built[program.name] = Found(target, "built here")
    return built


def _prefixed(say: Say, prefix: str) -> Say:
    return lambda text: say(f"{prefix}: {text}")
