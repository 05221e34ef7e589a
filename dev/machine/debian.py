"""Programs of Debian packages that are unpacked and not installed: the machine stays as it is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from machine.errors import BuildError


def can_unpack() -> bool:
    """Whether there are the programs that `unpack` needs."""
    return all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))


def unpack(packages: Sequence[str], target: Path, remedy: str) -> None:
    """Download packages of this machine's Debian and unpack them into the new folder `target`.

    The machine's own lists and cache stay as they are. Raises BuildError, with the remedy.
    """
    work = target.with_suffix(".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    options = [
        "-q",
        *("-o", f"Dir::State::Lists={work / 'lists'}"),
        *("-o", f"Dir::Cache={work}"),
        *("-o", f"Dir::Cache::Archives={work / 'archives'}"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    try:
        _run(["apt-get", *options, "update"], work, remedy)
        _run(["apt-get", *options, "download", *packages], work, remedy)
        for package in sorted(work.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(work / "root")], work, remedy)
        (work / "root").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(command: list[str], folder: Path, remedy: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"there is no {command[0]} here. Remedy: {remedy}") from error
    if done.returncode != 0:
        raise BuildError(
            f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}\nRemedy: {remedy}"
        )
