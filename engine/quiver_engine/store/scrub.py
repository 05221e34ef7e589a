"""Looks for damage under a running engine: reads every file that counts, slowly, over and over.

What is damaged is dealt with as at a start: a segment is left out, an index built anew. What memory
still holds intact is written anew instead, so that nothing is lost.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from quiver_engine.errors import (
    DamagedIndex,
    DamagedSegment,
    DiskFailedError,
    DiskIsFull,
    StartError,
)
from quiver_engine.files import index_files, reading, segments
from quiver_engine.files.segments import Segment
from quiver_engine.store.collection import Collection, Partition
from quiver_engine.store.store import Store
from quiver_engine.system.priority import give_way

logger = logging.getLogger(__name__)

LEAST_ROUND_BYTES = 1 << 30
"""A round takes as long as reading this much would: a small directory is not read all the time."""
OUTCOMES = (
    ("segment", "left_out"),
    ("segment", "rewritten"),
    ("index", "rebuilt"),
    ("catalog", "rewritten"),
)
RETRY_S = 1.0
LOOK_S = 1.0
"""How long what is dropped may be held by the check of it."""
STOP_S = 5.0


class _Stopped(Exception):
    """The engine stops, so that the file that is being read stays unjudged."""


class _Gone(Exception):
    """The file that is being read no longer counts."""


class _Place(NamedTuple):
    """Where a segment is."""

    collection: str
    tag: str
    segment: int


class _File(NamedTuple):
    path: Path
    check: Callable[[], None]


class Scrub:
    """Reads with a thread of its own, at most `rate` bytes a second; with 0, not at all."""

    def __init__(
        self, store: Store, rate: int, on_disk_failure: Callable[[DiskFailedError], None]
    ) -> None:
        self.rate = rate
        self.bytes_read = 0
        self.damage: Counter[tuple[str, str]] = Counter()
        """How often damage was found, by the kind of file and what was done about it."""
        self._store = store
        self._on_disk_failure = on_disk_failure
        self._stopping = threading.Event()
        self._checked: dict[Path, float] = {}
        """When each file was checked last, written, or first seen (monotonic clock)."""
        self._thread = threading.Thread(target=self._run, name="scrub", daemon=True)

    def start(self) -> None:
        if self.rate:
            self._thread.start()

    def stop(self) -> bool:
        """Return whether it ended in time: the store must stay open for it otherwise."""
        self._stopping.set()
        if self.rate:
            self._thread.join(STOP_S)
        return not self._thread.is_alive()

    @property
    def oldest_check_age_s(self) -> float:
        """For how long the file that waits longest for a check has not been checked."""
        now = time.monotonic()
        times = (self._checked.setdefault(file.path, now) for file in self._files())
        return now - min(times, default=now)

    def _run(self) -> None:
        give_way()
        while not self._stopping.is_set():
            try:
                self.round()
            except _Stopped:
                return
            except DiskFailedError as error:
                self._on_disk_failure(error)
                return
            except Exception:
                logger.exception("looking for damage failed; it goes on in a second")
                self._stopping.wait(RETRY_S)

    def round(self) -> None:
        """Check every file that there is now, those first that have waited longest."""
        began, before = time.monotonic(), self.bytes_read
        files = list(self._files())
        self._checked = {file.path: self._checked.get(file.path, began) for file in files}
        files.sort(key=lambda file: self._checked[file.path])
        for file in files:
            self._check(file)
            self._checked[file.path] = time.monotonic()
        self._wait((LEAST_ROUND_BYTES - (self.bytes_read - before)) / self.rate)

    def _check(self, file: _File) -> None:
        try:
            file.check()
        except _Gone:
            return
        except DiskIsFull:
            logger.error("%s stays damaged until the disk has room to write it anew", file.path)  # noqa: TRY400 - the check has said the rest
        except StartError as error:
            logger.warning("%s", error)

    def _files(self) -> Iterator[_File]:
        """Yield what there is to check. It names segments and does not hold them, since a round may
        take days: what is dropped meanwhile has to leave the disk.
        """
        yield _File(self._store.directory.catalog_path, self._check_catalog)
        for collection in self._store.collections():
            for partition in list(collection.partitions.values()):
                for segment in partition.segments:
                    place = _Place(collection.schema.name, partition.tag, segment.id)
                    yield _File(segment.path, partial(self._check_segment, place))
                    if segment.index is not None:
                        yield _File(segment.index.path, partial(self._check_index, place))

    def _check_catalog(self) -> None:
        if self._store.mending.mend_catalog():
            self.damage["catalog", "rewritten"] += 1
        size = self._store.directory.catalog_path.stat().st_size
        self.bytes_read += size
        self._wait(size / self.rate)

    def _check_segment(self, place: _Place) -> None:
        found = self._found(place)
        if found is None:
            return
        collection, partition, segment = found
        try:
            segments.verify(segment, self._reading(segment.path, place), reading.past_cache)
        except DamagedSegment as error:
            # A file that is removed meanwhile is one that no longer counts.
            if self._store.mending.rewrite(partition, segment, error):
                self.damage["segment", "rewritten"] += 1
            elif self._store.mending.quarantine(collection, partition, segment, error):
                self.damage["segment", "left_out"] += 1

    def _check_index(self, place: _Place) -> None:
        found = self._found(place)
        if found is None or (index := found[2].index) is None:
            return
        _, partition, segment = found
        try:
            read = self._reading(index.path, place)
            index_files.verify(index.path, segment.rows, read, reading.past_cache)
        except DamagedIndex as error:
            if self._store.mending.retire_damaged_index(partition, segment, index, error):
                self.damage["index", "rebuilt"] += 1

    def _found(self, place: _Place) -> tuple[Collection, Partition, Segment] | None:
        collection = self._store.find(place.collection)
        partition = None if collection is None else collection.partitions.get(place.tag)
        if collection is None or partition is None:
            return None
        segment = next((s for s in partition.segments if s.id == place.segment), None)
        return None if segment is None else (collection, partition, segment)

    def _counts(self, path: Path, place: _Place) -> bool:
        """Return whether the file is still that of a segment, or of its index."""
        found = self._found(place)
        if found is None:
            return False
        segment = found[2]
        return path == segment.path or (segment.index is not None and path == segment.index.path)

    def _reading(self, path: Path, place: _Place) -> Callable[[int], None]:
        """Return what to call after each chunk: it rests, and ends the check of what goes."""

        def rest(count: int) -> None:
            self.bytes_read += count
            left_s = count / self.rate
            while left_s > 0:
                self._wait(min(left_s, LOOK_S))
                left_s -= LOOK_S
                if not self._counts(path, place):
                    raise _Gone

        return rest

    def _wait(self, seconds: float) -> None:
        """Raises _Stopped."""
        if self._stopping.wait(max(0, seconds)):
            raise _Stopped
