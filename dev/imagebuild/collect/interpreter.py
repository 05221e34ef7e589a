"""The running Python as files for an image: interpreter, standard library, shared libraries."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from machine.errors import BuildError

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
COMMAND = f"/usr/local/bin/{VERSION}"
LIBRARY = f"usr/local/lib/{VERSION}"
LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtle.py",
    "turtledemo",
}
# Modules of windows and of Python's own tests: with them X11 and Tcl would be in the image.
LEFT_OUT_MODULES = re.compile(r"lib-dynload/(_tkinter|_test|_ctypes_test|_xx|xx)")
# The dynamic loader looks here of itself; all else needs LD_LIBRARY_PATH.
DEFAULT_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
# Opened by name at run time, so that no program's header mentions them.
OPENED_BY_NAME = ("libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2")


def executable() -> Path:
    """The interpreter behind this virtual environment."""
    base: str = getattr(sys, "_base_executable", sys.executable)
    return Path(base).resolve()


def standard_library() -> Iterator[tuple[Path, str]]:
    """(file, path in the image), without tests, tools and the static library."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        unwanted = LEFT_OUT.intersection(relative.parts) or LEFT_OUT_MODULES.match(str(relative))
        if path.is_file() and not unwanted and not relative.parts[0].startswith("config-"):
            yield path, f"{LIBRARY}/{relative}"


def shared_libraries(users: Sequence[Path]) -> list[Path]:
    """The shared libraries that these programs and extension modules are loaded with.

    Raises BuildError when one can be found neither on this machine nor among `users`: those
    that a package brings are found by the package's own modules alone.
    """
    found: set[Path] = set()
    programs = [str(path) for path in users]
    brought = {path.name for path in users}
    output = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    missing = set(re.findall(r"(\S+) => not found", output)) - brought
    if missing:
        raise BuildError(
            f"shared libraries are missing on this machine: {', '.join(sorted(missing))}"
        )
    for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", output, re.MULTILINE):
        found.add(Path(path))
    folders = {path.parent for path in found}
    extra = {folder / name for folder in folders for name in OPENED_BY_NAME}
    return sorted(found | {path for path in extra if path.exists()})


def place(library: Path) -> str:
    """Where a shared library lies in the image: where it is, or in a folder we search."""
    if str(library).startswith(tuple(f"{folder}/" for folder in DEFAULT_FOLDERS)):
        return str(library)
    return f"/usr/local/lib/{library.name}"
