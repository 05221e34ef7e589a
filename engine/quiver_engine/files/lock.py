"""The lock of a data directory: one process at a time uses it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quiver_engine.errors import StartError


def take(path: Path) -> int:
    """Lock a directory by its lock file, which gets this process' id; return its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _lock(descriptor, path)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep others out without writing anything; where there is no lock file, nobody was ever in."""
    if not path.exists():
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    _lock(descriptor, path)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise StartError(
            f"data directory {path.parent} is in use by another engine (process {holder}):"
            " stop that one or choose another directory"
        ) from error
