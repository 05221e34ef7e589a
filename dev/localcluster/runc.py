"""runc: from PATH, else Debian's package unpacked into the cache; nothing gets installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localcluster.versions import numbers
from machine import debian
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
            debian.unpack(PACKAGES, _folder(), REMEDY)
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
