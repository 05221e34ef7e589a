"""The insert log: rows and deletions that were acknowledged and are in no segment yet.

Files are numbered and only appended to. A record has a checksum of itself. One fsync covers all
records written before it, so concurrent calls share it. The next start replays the records; they
stay in the log until their rows are flushed.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from quiver_engine.errors import DiskFailedError
from quiver_engine.files import durable, log_records
from quiver_engine.files.disk import Disk, is_full
from quiver_engine.files.log_records import Record
from quiver_engine.files.progress import Progress

ROTATED_BYTES = 32 << 20


class Durability(Enum):
    """When a record counts as written: once it is on disk, or once the operating system has it."""

    FSYNC = "fsync"
    OS = "os"


@dataclass
class _File:
    path: Path
    descriptor: int
    bytes: int


class InsertLog:
    """Refuses with DiskIsFull; DiskFailedError means: stop."""

    def __init__(
        self,
        directory: Path,
        durability: Durability,
        on_sync: Callable[[float], object] = lambda _: None,
        disk: Disk | None = None,
    ) -> None:
        """`on_sync` gets the duration of each fsync of records, in seconds."""
        self._directory = directory
        self._on_sync = on_sync
        self._disk = disk or Disk(directory)
        self._durability = durability
        self._write_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._old = log_records.files(directory)
        self._written = 0
        self._synced = 0
        self._current: _File | None = None

    def replay(self, progress: Progress | None = None) -> Iterator[Record]:
        """Yield the records that are there, oldest first.

        Raises StartError for a file of another format version.
        """
        progress = progress or Progress()
        sizes = [path.stat().st_size for path in self._old]
        progress.expect_log(sum(sizes))
        done = 0
        for path, size in zip(self._old, sizes, strict=True):
            for record in log_records.read(path, is_last=path == self._old[-1]):
                self._written = max(self._written, record.sequence)
                yield record
                progress.replayed(done + record.end)
            done += size
            progress.replayed(done)

    def start(self, after: int) -> None:
        """Begin a new file; its records are numbered above `after` and above those replayed."""
        self._written = self._synced = max(after, self._written)
        self._current = self._create(_number(self._old[-1]) + 1 if self._old else 1)

    def _create(self, number: int) -> _File:
        path = self._directory / f"{number}.log"
        # Exclusively: an existing file would belong to another engine.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            _write_all(descriptor, [memoryview(log_records.FILE_HEADER)])
            durable.sync_file(descriptor)
            durable.sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return _File(path, descriptor, len(log_records.FILE_HEADER))

    def append(self, record: Record) -> int:
        """Write a record and return its number; only `sync_to` makes it durable."""
        with self._write_lock:
            file = self._file
            sequence = self._written + 1
            chunks = log_records.encode(record, sequence)
            try:
                file.bytes += _write_all(file.descriptor, chunks)
            except OSError as error:
                _take_back(file)
                raise self._failure(error) from error
            self._written = sequence
            return sequence

    @property
    def _file(self) -> _File:
        if self._current is None:
            raise RuntimeError("the log was not started")
        return self._current

    def sync_to(self, sequence: int) -> None:
        """Return once the record of this number is as durable as `durability` says."""
        if self._durability is Durability.OS:
            return
        with self._sync_lock:
            # The thread that had the lock before may have synced this record with its own.
            if self._synced >= sequence:
                return
            with self._write_lock:
                written, descriptor = self._written, self._file.descriptor
            started = time.perf_counter()
            try:
                durable.sync_file(descriptor)
            except OSError as error:
                raise self._failure(error) from error
            self._on_sync(time.perf_counter() - started)
            self._synced = written

    def rotate(self) -> list[Path]:
        """Return the files that may be removed once all rows that are buffered now are flushed.

        Begins a new file when the current one has grown large.
        """
        with self._sync_lock, self._write_lock:
            if self._file.bytes >= ROTATED_BYTES:
                finished = self._file
                try:
                    durable.sync_file(finished.descriptor)
                    self._current = self._create(_number(finished.path) + 1)
                except OSError as error:
                    raise self._failure(error) from error
                os.close(finished.descriptor)
                self._old.append(finished.path)
                self._synced = self._written
            return list(self._old)

    def remove(self, flushed: list[Path]) -> None:
        """Remove files whose rows are all in segments."""
        for path in flushed:
            path.unlink(missing_ok=True)
            self._old.remove(path)

    def _failure(self, error: OSError) -> Exception:
        if is_full(error):
            return self._disk.refused()
        return DiskFailedError(f"writing the insert log failed: {error.strerror}")

    def close(self, *, is_flushed: bool) -> None:
        """Close the log. If every row is flushed, remove its files: nothing is left to replay."""
        os.close(self._file.descriptor)
        if is_flushed:
            self.remove(list(self._old))
            self._file.path.unlink()


def _number(path: Path) -> int:
    return int(path.stem)


def _write_all(descriptor: int, chunks: list[memoryview]) -> int:
    written = 0
    for chunk in chunks:
        rest = chunk
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        written += len(chunk)
    return written


def _take_back(file: _File) -> None:
    try:
        os.ftruncate(file.descriptor, file.bytes)
        os.lseek(file.descriptor, file.bytes, os.SEEK_SET)
    except OSError as error:
        raise DiskFailedError(f"the insert log is in an unknown state: {error}") from error
