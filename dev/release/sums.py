"""SHA256SUMS, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from machine.errors import SetupError

FILE = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\0]+)")


def write(folder: Path) -> None:
    """Write the sums of all files of a folder into it."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(_sums(folder).items())]
    (folder / FILE).write_text("".join(lines))


def read(folder: Path) -> dict[str, str]:
    """The sums by file, as they stand there. Raises SetupError where there are none."""
    path = folder / FILE
    if not path.exists():
        raise SetupError(f"there is no release in {folder}: it has no {FILE}. Remedy: make release")
    matches = [LINE.fullmatch(line) for line in path.read_text().splitlines()]
    if not matches or None in matches:
        raise SetupError(f"{path} is not what `sha256sum` writes. Remedy: make release")
    return {match[2]: match[1] for match in matches if match}


def problems(folder: Path) -> Iterator[str]:
    """Files that differ from what the sums say, are missing, or have none."""
    told, found = read(folder), _sums(folder)
    for name in sorted(told.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in told:
            yield f"{name} has no line in {FILE}"
        elif told[name] != found[name]:
            yield f"{name} is not the file that {FILE} was written for"


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in folder.iterdir() if path.name != FILE}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
