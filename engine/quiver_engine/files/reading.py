"""Reads whole files a chunk at a time: through the page cache, or past it from the disk itself.

A copy of a file in the page cache may be sound while the disk's is not. Reading past the cache
finds that, and leaves the cache to what searches need.
"""

import errno
import fcntl
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from quiver_engine.model import MIB

CACHED_CHUNK_BYTES = 8 * MIB
CHUNK_BYTES = MIB

Read = Callable[[Path], Iterator[memoryview]]
"""Yields a file's content; a chunk is valid until the next. Raises OSError."""


def through_cache(path: Path) -> Iterator[memoryview]:
    # Not through a map, where a read error of the disk would kill the process.
    chunk = memoryview(bytearray(CACHED_CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(chunk):
            yield chunk[:count]


def past_cache(path: Path) -> Iterator[memoryview]:
    """Where the file system cannot read past the cache, pages in use come from it all the same."""
    chunk = memoryview(mmap.mmap(-1, CHUNK_BYTES))  # aligned to pages, as such reads need it
    with path.open("rb", buffering=0) as file:
        descriptor, done = file.fileno(), 0
        size = os.fstat(descriptor).st_size
        _bypass(descriptor)
        while done < size and (count := _read(descriptor, chunk)):
            done += count
            yield chunk[:count]


class Summed(NamedTuple):
    """A file's size, its header, and the checksum (CRC-32C) of all that follows the header."""

    size: int
    header: bytes
    checksum: int


def summed(path: Path, header_bytes: int, read: Read, on_chunk: Callable[[int], object]) -> Summed:
    """Read a file; `on_chunk` gets the number of bytes read. Raises OSError."""
    size, header, checksum = 0, b"", 0
    for chunk in read(path):
        if not size:
            header = bytes(chunk[:header_bytes])
        checksum = crc32c(chunk if size else chunk[header_bytes:], checksum)
        size += len(chunk)
        on_chunk(len(chunk))
    return Summed(size, header, checksum)


def _read(descriptor: int, chunk: memoryview) -> int:
    try:
        return os.readv(descriptor, [chunk])
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # The file system asks for a coarser alignment.
        _use_cache(descriptor)
        return os.readv(descriptor, [chunk])


def _bypass(descriptor: int) -> None:
    if sys.platform != "linux":
        return
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError:
        forget(descriptor)


def _use_cache(descriptor: int) -> None:
    if sys.platform == "linux":
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        forget(descriptor)


def forget(descriptor: int) -> None:
    """Drop a file's pages from the cache, but for those that a process has mapped."""
    if sys.platform == "linux":
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
