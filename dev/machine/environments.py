"""Virtual environments beside the project's, for programs that cannot live in it.

Each is made once per user and Python version, from a requirements file with hashes.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from machine.locks import file_lock
from machine.paths import cache_dir


class Environment:
    """The environment `name`, of the packages in `requirements`."""

    def __init__(
        self, name: str, requirements: Path, finish: Callable[[Path], None] | None = None
    ) -> None:
        """`finish` is called with the folder of a new environment, to do the rest."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.home = cache_dir().with_name(f"{name}-py{python}")
        self._requirements = requirements
        self._finish = finish

    @property
    def is_made(self) -> bool:
        """Whether it is there and current."""
        ready = self.home / "made-from"
        return ready.exists() and ready.read_text() == self._wanted()

    def program(self, name: str) -> Path:
        """Return the path of one of its programs, making the environment if need be.

        The first call installs from the package index that pip is set up for.
        """
        with file_lock(self.home.with_name(f"{self.home.name}.lock")):
            self._make()
        return self.home / "bin" / name

    def _wanted(self) -> str:
        return hashlib.sha256(self._requirements.read_bytes()).hexdigest()

    def _make(self) -> None:
        if self.is_made:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", self.home], check=True)
        install: list[str | Path] = [self.home / "bin" / "python", "-m", "pip", "install"]
        install += ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([*install, "-r", self._requirements], check=True)
        if self._finish is not None:
            self._finish(self.home)
        (self.home / "made-from").write_text(self._wanted())
