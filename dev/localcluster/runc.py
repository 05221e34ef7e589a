"""runc: from PATH, else Debian's package unpacked into the cache; nothing gets installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localcluster.versions import numbers
from machine.errors import BuildError
from machine.locks import file_lock
from machine.paths import cache_dir, platform_name
from machine.progress import Say

MINIMUM = (1, 1)
PACKAGES = ("runc", "libseccomp2")
REMEDY = "apt-get install runc"
SYSTEM_FOLDERS = ":/usr/sbin:/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Runc:
    """A runc that runs, and the folder of its libraries when the system has them not."""

    path: Path
    libraries: Path | None = None

    def environment(self) -> dict[str, str]:
        """What containerd must have in its environment so that this runc starts."""
        return {"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {}


def find_runc() -> Runc | None:
    """A runc >= 1.1 from PATH or from the cache."""
    on_path = shutil.which("runc", path=os.environ.get("PATH", "") + SYSTEM_FOLDERS)
    for candidate in (Runc(Path(on_path)) if on_path else None, _cached()):
        if candidate and _runs(candidate):
            return candidate
    return None


def can_fetch() -> bool:
    """Whether `ensure_runc` could bring one from Debian."""
    return all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))


def ensure_runc(say: Say) -> Runc:
    """A runc that runs, fetched where there is none.

    Raises BuildError when apt cannot bring one.
    """
    found = find_runc()
    if found:
        return found
    with file_lock(_folder().with_suffix(".lock")):
        if not _folder().exists():
            say(f"runc: PATH has none >= 1.1; unpacking Debian's package into {_folder()}")
            _fetch(_folder())
    found = find_runc()
    if found is None:
        raise BuildError(f"the runc in {_folder()} does not run. Remedy: {REMEDY}")
    return found


def _folder() -> Path:
    return cache_dir() / f"runc-{platform_name()}"


def _cached() -> Runc | None:
    path = _folder() / "usr" / "sbin" / "runc"
    if not path.exists():
        return None
    libraries = sorted((_folder() / "usr" / "lib").glob("*/libseccomp.so.2"))
    return Runc(path, libraries[0].parent if libraries else None)


def _runs(runc: Runc) -> bool:
    try:
        output = subprocess.run(
            [runc.path, "--version"],
            env=runc.environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    found = re.search(r"runc version (\S+)", output)
    return found is not None and numbers(found[1])[:2] >= MINIMUM


def _fetch(target: Path) -> None:
    work = target.with_suffix(".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "root"):
        (work / folder).mkdir(parents=True)
    # The machine's own apt lists and cache stay as they are.
    options = [
        "-q",
        *("-o", f"Dir::State::Lists={work / 'lists'}"),
        *("-o", f"Dir::Cache={work}"),
        *("-o", f"Dir::Cache::Archives={work / 'archives'}"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    try:
        _run(["apt-get", *options, "update"], work)
        _run(["apt-get", *options, "download", *PACKAGES], work)
        for package in sorted(work.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(work / "root")], work)
        (work / "root").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"there is no runc and no {command[0]}. Remedy: {REMEDY}") from error
    if done.returncode != 0:
        raise BuildError(
            f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}\nRemedy: {REMEDY}"
        )
