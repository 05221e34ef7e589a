"""What stands in the way of a data directory: found before anything in it is opened."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from quiver_engine.errors import StartError

FOLDERS = ("segments", "log")
_FILES = (
    "LOCK",
    "INSTANCE",
    "INSTANCE.tmp",
    "catalog.sqlite",
    "catalog.sqlite-wal",
    "catalog.sqlite-shm",
    "catalog.sqlite-journal",
)
_NUMBERED = re.compile(r"\d+\.(seg|idx|log)")
_NAMED = 5
"""Foreign files that are named."""
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_MOVE = "move it away, or choose another data directory"
# What a fresh volume has by itself, and what file managers leave.
_NOBODYS = re.compile(r"lost\+found|\..*")


def check(directory: Path, rights: int = os.R_OK | os.W_OK) -> None:
    """Raise StartError with what is in the way, what belongs there and what to do.

    A symbolic link counts as what it leads to. A directory that does not exist is fine.
    """
    try:
        for path, kind in _expected(directory):
            _expect(directory, path, kind)
            if not os.access(path, rights | (os.X_OK if kind == stat.S_IFDIR else 0)):
                raise _in_the_way(directory, _no_access(path))
    except OSError as error:
        raise refusal(directory, error) from error


def _expected(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield what is there of a data directory, or above it, with the kind that it must be of."""
    if not _is_there(directory):
        yield next(each for each in directory.absolute().parents if _is_there(each)), stat.S_IFDIR
        return
    yield directory, stat.S_IFDIR
    _refuse_foreign(directory)
    for folder in (directory / name for name in FOLDERS):
        if _is_there(folder):
            yield folder, stat.S_IFDIR
            for path in folder.iterdir():
                if _NUMBERED.fullmatch(path.name):
                    yield path, stat.S_IFREG
    for path in (directory / name for name in _FILES):
        if _is_there(path):
            yield path, stat.S_IFREG


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _expect(directory: Path, path: Path, kind: int) -> None:
    try:
        found = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        found = 0
    if found != kind:
        what = _KINDS.get(found, "nothing")
        if path.is_symlink():
            what = f"a symbolic link to {path.readlink()}, which is {what}"
        raise _in_the_way(directory, f"{path} is {what}, and {_KINDS[kind]} belongs there: {_MOVE}")


def _no_access(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return (
            f"{path} is on a file system that is mounted read-only: mount it writable, or choose"
            " another data directory"
        )
    found = path.stat()
    return (
        f"{path} belongs to user {found.st_uid} and group {found.st_gid} with mode"
        f" {stat.S_IMODE(found.st_mode):04o}, and the engine runs as user {os.geteuid()} and group"
        f" {os.getegid()}, who may not read and write it: change its owner or mode, or choose"
        " another data directory"
    )


def _refuse_foreign(directory: Path) -> None:
    names = sorted(path.name for path in directory.iterdir())
    if any(name in (*FOLDERS, *_FILES) for name in names):
        return
    if foreign := [name for name in names if not _NOBODYS.fullmatch(name)]:
        more = len(foreign) - _NAMED
        named = ", ".join(map(repr, foreign[:_NAMED])) + (f" and {more} more" if more > 0 else "")
        raise _in_the_way(
            directory,
            f"it holds {named} and nothing of an engine's: choose an empty directory, or one that"
            " does not exist yet",
        )


def refusal(directory: Path, error: OSError) -> StartError:
    """Say which call failed, where that is known only from its error."""
    where = f"{error.filename}: " if error.filename else ""
    return _in_the_way(
        directory,
        f"{where}{error.strerror}; choose a directory that this user can write",
    )


def _in_the_way(directory: Path, what: str) -> StartError:
    return StartError(f"data directory {directory} cannot be used: {what}")
