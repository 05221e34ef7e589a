"""The client of Milvus 1.x, `pymilvus==1.1.2`, in a virtual environment of its own.

It cannot live in the project's: it needs a protobuf of before 3.21 and pins a grpcio that Python
3.11 has no build of. The environment is made once per user and Python version.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from machine.locks import file_lock
from machine.paths import cache_dir

_REQUIREMENTS = Path(__file__).with_name("pymilvus1-requirements.txt")


def pymilvus_python() -> Path:
    """Return an interpreter that has pymilvus 1.1.2, making its environment if need be.

    The first call installs from the package index that pip is set up for, in some ten seconds.
    """
    home = _home()
    with file_lock(home.with_name(f"{home.name}.lock")):
        _make(home)
    return home / "bin" / "python"


def is_made() -> bool:
    """Whether its environment is there and current."""
    ready = _home() / "made-from"
    return ready.exists() and ready.read_text() == _wanted()


def _home() -> Path:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return cache_dir().with_name(f"pymilvus-1.1.2-py{python}")


def _wanted() -> str:
    return hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()


def _make(home: Path) -> None:
    if is_made():
        return
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    install: list[str | Path] = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([*install, "-r", _REQUIREMENTS], check=True)
    (home / "made-from").write_text(_wanted())
