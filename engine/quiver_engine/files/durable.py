"""Makes files and their names survive power loss."""

import os
from collections.abc import Iterable
from pathlib import Path

from quiver_engine.errors import DiskFailedError
from quiver_engine.files.disk import is_full


def sync_file(descriptor: int) -> None:
    """Force a file's data to disk; raises DiskFailedError, or OSError when the disk is full."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if is_full(error):
            raise
        raise DiskFailedError(f"fsync failed: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """Force a directory's names to disk; raises as sync_file does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)


def publish(written: Iterable[tuple[Path, Path]], directory: Path) -> None:
    """Rename synced temporary files to their names in `directory` and make the names durable."""
    for temporary, final in written:
        temporary.rename(final)
    sync_directory(directory)
