"""Builds indexes in the background, one segment at a time, and lets CreateIndex wait for them.

The catalog has a request before its builds begin, so a restart resumes what it has cut off.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import faiss

from quiver_engine.errors import (
    BuildCancelled,
    BuildError,
    CallerLeft,
    DiskIsFull,
    RequestError,
    no_collection,
)
from quiver_engine.files.segments import Segment
from quiver_engine.indexes import faiss_indexes
from quiver_engine.indexes.faiss_indexes import Trainer
from quiver_engine.indexes.kinds import KINDS
from quiver_engine.model import MAX_INDEX_WAITERS, CallerWaits, IndexSpec, IndexState
from quiver_engine.store.collection import Collection, IndexFailure, Partition
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.system.priority import give_way
from quiver_proto import milvus_pb2 as pb

logger = logging.getLogger(__name__)

LOOK_S = 0.2
LOOK_AT_ALL_S = 1.0
RETRY_S = 60.0


class Indexing:
    """Builds where `work` runs, which is one thread; collections take turns, one segment each."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self._stopping = False
        self._waiters = 0
        self._progress = threading.Condition()
        self._asked = threading.Event()
        # Builds have a thread of their own: a thread cannot raise its priority again, and a look at
        # all collections, which holds Python's lock, must not be preempted.
        self._builder = ThreadPoolExecutor(1, "build", give_way)
        self._was_asked = False
        self._asking: deque[Collection] = deque()
        self._look_at_all_at = 0.0

    def stop(self) -> None:
        self._stopping = True
        self._asked.set()
        with self._progress:
            self._progress.notify_all()

    def wait_for_work(self, seconds: float) -> None:
        self._was_asked = self._asked.wait(seconds)
        self._asked.clear()

    def create(self, collection: Collection, spec: IndexSpec, caller_waits: CallerWaits) -> None:
        """Request an index and wait until every segment that is to have it has it.

        Raises RequestError BUILD_INDEX_ERROR when it cannot be built, CallerLeft when the caller no
        longer waits; the request stays.
        """
        self._store.set_index(collection, lambda now: replace(now, spec=spec, requested=True))
        collection.index_failure = None
        self._asking.append(collection)
        self._asked.set()
        with self._progress:
            if self._waiters >= MAX_INDEX_WAITERS:
                raise RequestError(
                    pb.UNEXPECTED_ERROR,
                    f"the index is being built, and {MAX_INDEX_WAITERS} calls wait for theirs"
                    " already: ShowCollectionInfo tells when it is done",
                )
            self._waiters += 1
            try:
                self._wait(collection, spec, caller_waits)
            finally:
                self._waiters -= 1

    def _wait(self, collection: Collection, spec: IndexSpec, caller_waits: CallerWaits) -> None:
        while collection.index.requested or collection.due:
            if self._stopping:
                raise RequestError(
                    pb.UNEXPECTED_ERROR,
                    "the engine is stopping; it goes on with the index at its next start",
                )
            if collection.dropped:
                raise no_collection(collection.schema.name)
            if collection.index.spec != spec:
                raise RequestError(
                    pb.BUILD_INDEX_ERROR, "another CreateIndex or DropIndex took this one's place"
                )
            if failure := collection.index_failure:
                raise _not_built(failure)
            if not caller_waits():
                raise CallerLeft
            self._progress.wait(LOOK_S)

    def drop(self, collection: Collection) -> None:
        """Set a collection's index to FLAT; its index files are removed in the background."""
        self._store.set_index(collection, lambda _: IndexState())

    def work(self) -> None:
        """Build all indexes that are due.

        After a wait that a request ended, build those of collections with requests only; others are
        looked at once a second.
        """
        self._store.mending.retire_damaged_indexes()
        if not self._was_asked:
            self._look_at_all_at = 0.0
        self._was_asked = False
        turns = self._whose_turn([])
        while turns:
            turns = self._whose_turn([each for each in turns if self._take_turn(each)])

    def _whose_turn(self, busy: list[Collection]) -> list[Collection]:
        """Return `busy` and the collections with new requests; once a second, all collections."""
        asking = [self._asking.popleft() for _ in range(len(self._asking))]
        if time.monotonic() < self._look_at_all_at:
            return list(dict.fromkeys(busy + asking))
        self._look_at_all_at = time.monotonic() + LOOK_AT_ALL_S
        return self._store.collections()

    def _take_turn(self, collection: Collection) -> bool:
        """Do the next step of one collection; return whether there was one."""
        failure = collection.index_failure
        rests = failure is not None and time.monotonic() < failure.retry_at
        if self._stopping or collection.dropped or rests:
            return False
        is_requested = collection.index.requested
        due = [] if is_requested else collection.due
        if not (is_requested or due):
            return False
        try:
            if is_requested:
                self._prepare(collection)
            else:
                self._build(collection, *due[0])
            collection.index_failure = None
        except (RequestError, BuildError) as error:
            collection.index_failure = _failure(collection, error)
        finally:
            with self._progress:
                self._progress.notify_all()
        return True

    def _prepare(self, collection: Collection) -> None:
        """Flush and merge, and mark every segment that is there by then as to be indexed."""
        asked = collection.index

        def prepared(now: IndexState) -> IndexState:
            # A later CreateIndex or DropIndex has put another state in this one's place.
            return replace(now, requested=False, covers=covers) if now is asked else now

        self._writer.flush(collection)
        with collection.merge_lock:
            self._writer.merge_small(collection)
            covers = self._store.directory.last_number
            self._store.set_index(collection, prepared)

    def _build(self, collection: Collection, partition: Partition, segment: Segment) -> None:
        spec = collection.index.spec
        started = time.monotonic()

        def is_wanted() -> bool:
            is_gone = collection.dropped or partition.dropped or collection.index.spec != spec
            return not (self._stopping or is_gone)

        self._store.device.check(segment, spec)
        trainer = self._store.device.trainer
        try:
            index = self._builder.submit(
                _build, spec, collection, segment, is_wanted, trainer
            ).result()
        except BuildCancelled:
            return
        number, _ = self._store.directory.write_index(index)
        file = self._store.mending.load_index(number, spec, segment.id, segment.rows)
        self._store.add_index(collection, partition, segment, file)
        logger.info(
            "indexed %d rows of %r as %s in %.1f s",
            segment.rows,
            collection.schema.name,
            spec.type.name,
            time.monotonic() - started,
        )


def _failure(collection: Collection, error: Exception) -> IndexFailure:
    before, why = collection.index_failure, str(error)
    if before is None or before.why != why:
        name = collection.schema.name
        logger.warning("cannot index %r, tried again each minute: %s", name, why)
    is_disk_full = isinstance(error, DiskIsFull)
    return IndexFailure(why, time.monotonic() + RETRY_S, is_disk_full=is_disk_full)


def _not_built(failure: IndexFailure) -> RequestError:
    before = "the index is not built: "
    if failure.is_disk_full:
        return DiskIsFull(pb.BUILD_INDEX_ERROR, before)
    return RequestError(pb.BUILD_INDEX_ERROR, f"{before}{failure.why}")


def _build(
    spec: IndexSpec,
    collection: Collection,
    segment: Segment,
    is_wanted: Callable[[], bool],
    trainer: Trainer,
) -> faiss.Index | faiss.IndexBinary:
    # The metric decides whether rows are floats or bits.
    metric, vectors = collection.schema.metric, cast("Any", segment.vectors)
    kind = KINDS[spec.type]
    if metric.is_binary:
        return kind.recipe_of_bits.build(spec, vectors, is_wanted)
    return faiss_indexes.build(kind.recipe, spec, metric, vectors, is_wanted, trainer)
