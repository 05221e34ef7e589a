"""The data directory: its lock, its files, and the removal of what a crash left behind.

LOCK                  locked by the engine that uses the directory
INSTANCE              the directory's id, which never changes; INSTANCE.tmp while being written
catalog.sqlite        the catalog of collections, partitions and segments (and -wal, -shm)
log/<n>.log           the insert log; <n>.log.damaged is a copy that is never read
segments/<id>.seg     rows; <id>.seg.tmp while being written
segments/<id>.idx     an index over the rows of one segment; <id>.idx.tmp while being written
"""

import errno
import logging
import os
import re
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import faiss

from quiver_engine.errors import (
    DamagedSegment,
    DiskFailedError,
    DiskIsFull,
    RequestError,
    StartError,
)
from quiver_engine.files import durable, index_files, instance, layout, lock, log_records, segments
from quiver_engine.files.disk import Disk, is_full
from quiver_engine.files.segments import RowBlock, Segment
from quiver_engine.model import RowLayout
from quiver_engine.system.memory import Memory
from quiver_proto import milvus_pb2 as pb

logger = logging.getLogger(__name__)

_OURS = re.compile(r"\d+\.(seg|idx)(\.tmp)?")


class DataDir:
    """A data directory that this process has locked."""

    def __init__(self, path: Path, memory: Memory) -> None:
        """Create the directory unless it exists, lock it, and give it an id unless it has one.

        Raises StartError when it cannot be used, DiskFailedError or OSError when the id cannot be
        written.
        """
        layout.check(path)
        self.path = path
        self.memory = memory
        self.disk = Disk(path)
        self.catalog_path = path / "catalog.sqlite"
        self._segments = path / "segments"
        self.log_path = path / "log"
        self._next_id = 1
        self._id_lock = threading.Lock()
        try:
            self._segments.mkdir(parents=True, exist_ok=True)
            self.log_path.mkdir(exist_ok=True)
            self._lock = lock.take(path / "LOCK")
            self._refuse_orphans()
        except OSError as error:
            raise layout.refusal(path, error) from error
        self.instance = instance.id_of(path / "INSTANCE")

    def _refuse_orphans(self) -> None:
        catalog_is_there = self.catalog_path.exists() and self.catalog_path.stat().st_size
        has_logs = bool(log_records.files(self.log_path))
        if not catalog_is_there and (has_logs or any(self._files())):
            raise StartError(
                f"data directory {self.path} is damaged: it has segment files or logs"
                f" and no catalog ({self.catalog_path.name}); restore it from a backup"
            )

    def _files(self) -> Iterable[Path]:
        return (path for path in self._segments.iterdir() if _OURS.fullmatch(path.name))

    def sync(self) -> None:
        """Make the names of a new directory's files durable."""
        durable.sync_directory(self.path)
        durable.sync_directory(self.path.parent)

    def segment_path(self, segment_id: int) -> Path:
        return self._segments / f"{segment_id}.seg"

    def index_path(self, index_id: int) -> Path:
        return self._segments / f"{index_id}.idx"

    def keep_only(self, wanted: Collection[Path]) -> None:
        """Remove the segment and index files that are not wanted, which a crash left behind."""
        leftovers = [path for path in self._files() if path not in wanted]
        for path in leftovers:
            path.unlink()
        if leftovers:
            logger.info("removed %d segment files that a crash left behind", len(leftovers))

    def number_after(self, numbers: Iterable[int]) -> None:
        """Number new files from above these numbers."""
        self._next_id = max(numbers, default=0) + 1

    @property
    def last_number(self) -> int:
        """The highest number that a file has so far."""
        return self._next_id - 1

    def write_segments(self, groups: Sequence[list[RowBlock]]) -> list[Segment]:
        """Write one durable segment file for each group of rows; the catalog does not list it yet.

        Raises RequestError when the disk is full or refuses, DiskFailedError when it fails.
        """
        numbers = [self._take_id() for _ in groups]
        finals = [self.segment_path(number) for number in numbers]
        temporaries = [path.with_name(f"{path.name}.tmp") for path in finals]
        try:
            for path, blocks in zip(temporaries, groups, strict=True):
                segments.write(path, blocks)
            durable.publish(zip(temporaries, finals, strict=True), self._segments)
        except OSError as error:
            self.remove([*temporaries, *finals])
            raise self._write_failure(error) from error
        return [
            self.load_segment(
                number, layout=segments.layout_of(blocks), rows=sum(block.rows for block in blocks)
            )
            for number, blocks in zip(numbers, groups, strict=True)
        ]

    def load_segment(self, number: int, *, layout: RowLayout, rows: int) -> Segment:
        """Map a segment file; raises DamagedSegment if its layout or rows are not these."""
        path = self.segment_path(number)
        return segments.load(path, number, layout=layout, rows=rows, memory=self.memory)

    def rewritten(self, segment: Segment) -> Path | None:
        """Write a segment's file anew from memory, under a temporary name; None if that is damaged.

        Raises DiskIsFull where there is no room for it.
        """
        self.disk.check_for(segment.file_bytes)
        temporary = segment.path.with_name(f"{segment.path.name}.tmp")
        try:
            segments.copy(segment, temporary)
            segments.verify(replace(segment, path=temporary))
        except (OSError, DamagedSegment, StartError):
            self.remove([temporary])
            return None
        return temporary

    def put_back(self, temporary: Path, segment: Segment) -> Segment:
        """Put a file that was written anew in its place, and map it; raises as write_segments."""
        try:
            durable.publish([(temporary, segment.path)], self._segments)
        except OSError as error:
            raise self._write_failure(error) from error
        return self.load_segment(segment.id, layout=segment.layout, rows=segment.rows)

    def write_index(self, index: faiss.Index | faiss.IndexBinary) -> tuple[int, Path]:
        """Write a durable index file; return its number and path. The catalog does not list it yet.

        Raises RequestError when the disk is full or refuses, DiskFailedError when it fails.
        """
        number = self._take_id()
        final = self.index_path(number)
        temporary = final.with_name(f"{final.name}.tmp")
        try:
            index_files.write(temporary, index)
            durable.publish([(temporary, final)], self._segments)
        except OSError as error:
            self.remove([temporary, final])
            # An index needs much room, and its collection tells of it: others may have enough.
            raise DiskIsFull() if is_full(error) else self._write_failure(error) from error
        return number, final

    def _write_failure(self, error: OSError) -> Exception:
        if is_full(error):
            return self.disk.refused()
        if error.errno == errno.EIO:
            return DiskFailedError(f"writing in {self._segments} failed: {error.strerror}")
        return RequestError(
            pb.UNEXPECTED_ERROR,
            f"cannot write in the data directory: {error.strerror}; see to the disk and try again"
            " (rows not flushed yet stay in memory)",
        )

    def _take_id(self) -> int:
        with self._id_lock:
            self._next_id += 1
            return self._next_id - 1

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files that the catalog does not list; what fails is removed at the next start."""
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("cannot remove %s: %s", path, error.strerror)

    def close(self) -> None:
        os.close(self._lock)
