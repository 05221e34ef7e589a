"""The programs that a cluster is made of: found where somebody has them, else built once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.build import build, cached_path
from localcluster.catalogue import CATALOGUE, OF_CLUSTERS, Program
from localcluster.toolchain import find_go, present_go
from machine.forecast import Forecast, pace_of_cores, told
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
        """Find or build the programs in `names`, by default all that run a cluster.

        `progress` gets one line per step. Raises BuildError with the compiler's last lines.
        """
        say = progress or quiet
        wanted = [CATALOGUE[name] for name in (names if names is not None else OF_CLUSTERS)]
        elsewhere = {program.name: _provided(program) for program in wanted}
        missing = [program for program in wanted if elsewhere[program.name] is None]
        built = _build_all(missing, say) if missing else {}
        return cls(built | {name: found for name, found in elsewhere.items() if found})

    @staticmethod
    def missing(names: Iterable[str]) -> list[str]:
        """Those of the programs that `ensure` would have to build; nothing is fetched for it."""
        absent = [name for name in names if _provided(CATALOGUE[name]) is None]
        go = present_go() if absent else None
        return [n for n in absent if go is None or not cached_path(CATALOGUE[n], go).exists()]

    def path(self, name: str) -> Path:
        """The program's absolute path. Raises KeyError for one that was not asked for."""
        return self.found[name].path

    def origins(self) -> list[str]:
        """One line per program: which was taken, and from where."""
        return [f"{name}: {found.origin} ({found.path})" for name, found in self.found.items()]


def misfits(name: str) -> Iterator[str]:
    """A line for each program of that name that somebody has and that is not taken."""
    program = CATALOGUE[name]
    for found in _candidates(program):
        version = program.version_of(found.path)
        if not program.fits(version):
            has = f"is {version}" if version else "does not say its version"
            yield f"{found.path} is not taken: it {has}, and {program.fitting} is needed"


def _provided(program: Program) -> Found | None:
    """The program from KUBEBUILDER_ASSETS, or from PATH, where its version fits ours."""
    fitting = (f for f in _candidates(program) if program.fits(program.version_of(f.path)))
    return next(fitting, None)


def _candidates(program: Program) -> Iterator[Found]:
    if program.version_args is None:
        return
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for origin, folders in (("KUBEBUILDER_ASSETS", assets), ("PATH", os.environ.get("PATH"))):
        candidate = shutil.which(program.name, path=folders) if folders else None
        if candidate:
            yield Found(Path(candidate).absolute(), origin)


def _build_all(programs: list[Program], say: Say) -> dict[str, Found]:
    go = find_go(say)
    targets = {program.name: cached_path(program, go) for program in programs}
    missing = [program for program in programs if not targets[program.name].exists()]
    usual_s = {program.name: program.usual_build_s for program in missing}
    forecast = Forecast(usual_s, first_pace=pace_of_cores())
    for program in missing:
        for line in misfits(program.name):
            say(line)
        forecast.begin(program.name)
        build(program, go, _telling(say, program, forecast))
        forecast.end(program.name)
    return {name: Found(target, "built here") for name, target in targets.items()}


def _telling(say: Say, program: Program, forecast: Forecast) -> Say:
    def tell(text: str) -> None:
        left = f"{len(forecast.left)} to build, {told(forecast.remaining_s())} left"
        say(f"{program.name}: {text} ({left})")

    return tell
