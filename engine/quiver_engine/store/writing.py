"""Writes rows: into log and buffer, from there to small segments, and from those to full ones."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from quiver_engine import checks
from quiver_engine.errors import DamagedSegment, DiskIsFull, RequestError
from quiver_engine.files import deletions, segments
from quiver_engine.files.catalog_rows import Flushed
from quiver_engine.files.insert_log import InsertLog
from quiver_engine.files.log_records import Kind, Record
from quiver_engine.files.progress import Progress
from quiver_engine.files.segments import Segment
from quiver_engine.model import MIB, IdOrigin, Ids, InsertBatch
from quiver_engine.store import merging
from quiver_engine.store.changes import Change
from quiver_engine.store.collection import Collection, Partition, Taken
from quiver_engine.store.ids import AutomaticIds
from quiver_engine.store.store import Store

logger = logging.getLogger(__name__)

BUFFER_BYTES = 64 * MIB
COMPACTED_SHARE = 0.1
_ORIGINS = {Kind.USER_IDS: IdOrigin.USER, Kind.AUTOMATIC_IDS: IdOrigin.AUTOMATIC}
_KINDS = {origin: kind for kind, origin in _ORIGINS.items()}


class Writer:
    """Writes rows to a store.

    Methods raise RequestError to refuse, and DiskFailedError when the engine must stop.
    """

    def __init__(
        self,
        store: Store,
        log: InsertLog,
        progress: Progress | None = None,
        buffer: int = BUFFER_BYTES,
    ) -> None:
        """Replay the log; raises StartError when it cannot be read.

        With `buffer` bytes buffered, an insert waits for a flush; half of it starts a flush.
        """
        self._store = store
        self._log = log
        self._buffer = buffer
        self._automatic_ids = AutomaticIds()
        self._flush_wanted = threading.Event()
        collections = {collection.id: collection for collection in store.collections()}
        for record in log.replay(progress):
            self._replay(collections.get(record.collection), record)
        log.start(max((c.logged for c in collections.values()), default=0))

    def _replay(self, collection: Collection | None, record: Record) -> None:
        if collection is None or record.sequence <= collection.logged:
            return
        collection.logged = record.sequence
        named = [p for p in collection.partitions.values() if record.partition in (0, p.id)]
        for partition in named:
            _apply(collection, partition, record)

    def insert(self, batch: InsertBatch) -> Ids:
        """Log rows and buffer them until the next flush; return their ids, int64 (rows,)."""
        checks.insert_request(batch)
        collection = self._store.collection(batch.collection)
        self._store.directory.disk.check()
        self._make_room(collection)
        origin = IdOrigin.AUTOMATIC if batch.ids is None else IdOrigin.USER
        with collection.lock:
            partition = collection.partition(batch.tag)
            checks.id_origin(batch.collection, collection.id_origin, origin)
            vectors = checks.vectors(batch.rows, collection.schema)
            checks.insert_size(vectors)
            ids = self._automatic_ids.take(len(vectors)) if batch.ids is None else batch.ids
            record = Record(_KINDS[origin], collection.id, partition.id, ids, vectors)
            self._take_in(collection, [partition], record)
        self._log.sync_to(collection.logged)
        return ids

    def _make_room(self, collection: Collection) -> None:
        buffered = collection.buffered_bytes
        if buffered >= self._buffer:
            self.flush(collection)
        elif buffered >= self._buffer // 2:
            self.want_flush()

    def want_flush(self) -> None:
        """Wake the thread that waits in `wait_until_flush_is_wanted`."""
        self._flush_wanted.set()

    def wait_until_flush_is_wanted(self, seconds: float) -> bool:
        """Wait at most this long; return whether a flush is wanted."""
        wanted = self._flush_wanted.wait(seconds)
        self._flush_wanted.clear()
        return wanted

    def delete(self, name: str, tag: str, ids: Ids) -> None:
        """Delete the rows with these ids from one partition, or from all if `tag` is empty.

        Searches find them until the next flush.
        """
        collection = self._store.collection(name)
        if tag:
            collection.partition(tag)  # a missing one is refused even where there are no ids
        if not len(ids):
            return
        ids = np.unique(ids)
        self._make_room(collection)
        with collection.lock:
            one = collection.partition(tag) if tag else None
            nothing = np.empty((len(ids), 0), np.float32)
            scope = one.id if one else 0
            record = Record(Kind.DELETE, collection.id, scope, ids, nothing)
            self._take_in(collection, [one] if one else collection.partitions.values(), record)
        self._log.sync_to(collection.logged)

    def _take_in(
        self, collection: Collection, partitions: Iterable[Partition], record: Record
    ) -> None:
        """Log a record and apply it. The caller holds `lock`, so no flush sees half of this."""
        collection.logged = self._log.append(record)
        for partition in partitions:
            _apply(collection, partition, record)

    def flush_all(self) -> bool:
        """Flush all rows and remove their log files; return whether every collection is flushed."""
        done = True
        logs = self._log.rotate()
        for collection in self._store.collections():
            try:
                self.flush(collection)
            except DiskIsFull:
                done = False  # the disk has said so once
            except RequestError as error:
                logger.warning("cannot flush %r: %s", collection.schema.name, error.reason)
                done = False
        if done and logs:
            self._store.checkpoint()
            self._log.remove(logs)
        return done

    def flush(self, collection: Collection) -> None:
        """Make every row inserted before this call durable and visible."""
        with collection.flush_lock:
            taken = collection.take_buffers()
            if not taken.buffers:
                return
            try:
                self._write(collection, taken)
            except BaseException:
                collection.give_back(taken)
                raise

    def _write(self, collection: Collection, taken: Taken) -> None:
        groups = [
            (partition, group)
            for partition, buffer in taken.buffers
            if buffer.blocks
            for group in segments.cut(buffer.written(), collection.schema.sealed_rows)
            if not partition.dropped
        ]
        written = self._store.directory.write_segments([group for _, group in groups])
        fresh = [
            (partition, segment) for (partition, _), segment in zip(groups, written, strict=True)
        ]
        changes = [
            _change(partition, [s for p, s in fresh if p is partition], buffer.deleted)
            for partition, buffer in taken.buffers
        ]
        flushed = Flushed(collection.id, collection.id_origin, taken.logged)
        self._store.publish(changes, flushed)

    def merge_some(self, collection: Collection, partition: Partition) -> bool:
        """Merge the segments that are due next; return whether there were any."""
        with collection.merge_lock:
            # A segment that is due to get an index must not be merged into one that gets none.
            free = [s for s in partition.segments if not collection.is_due(s)]
            victims = merging.victims(free, collection.schema.sealed_rows)
            return self._merge(collection, partition, victims)

    def merge_small(self, collection: Collection) -> None:
        """Merge all segments that are neither full nor indexed; the caller holds `merge_lock`."""
        for partition in list(collection.partitions.values()):
            small = merging.unsealed(partition.segments, collection.schema.sealed_rows)
            victims = [segment for segment in small if segment.index is None]
            if len(victims) > 1:
                self._merge(collection, partition, victims)

    def compact(self, collection: Collection) -> None:
        """Rewrite the segments that have many deleted rows, without these rows."""
        with collection.merge_lock:
            had_index = False
            for partition in list(collection.partitions.values()):
                for segment in partition.segments:
                    if segment.deleted >= COMPACTED_SHARE * segment.rows:
                        had_index |= segment.index is not None
                        self._merge(collection, partition, [segment])
            if had_index:
                covers = self._store.directory.last_number
                self._store.set_index(collection, lambda now: replace(now, covers=covers))

    def _merge(
        self, collection: Collection, partition: Partition, victims: Sequence[Segment]
    ) -> bool:
        """Rewrite the rows of segments that are not deleted as fewer segments, full ones first."""
        if not victims or partition.dropped:
            return False
        if self._leave_out_damaged(collection, partition, victims):
            return True
        living = sum(s.file_bytes * s.living // s.rows for s in victims)
        self._store.directory.disk.check_for(living)
        blocks = [segment.living_block for segment in victims]
        groups = segments.cut(blocks, collection.schema.sealed_rows)
        written = self._store.directory.write_segments(groups)
        self._store.publish([Change(partition, written, victims)])
        return True

    def _leave_out_damaged(
        self, collection: Collection, partition: Partition, victims: Sequence[Segment]
    ) -> bool:
        # A new file would give damaged rows a checksum that fits them.
        for segment in victims:
            try:
                segments.verify(segment)
            except DamagedSegment as error:
                self._store.mending.quarantine(collection, partition, segment, error)
                return True
        return False


def _apply(collection: Collection, partition: Partition, record: Record) -> None:
    if record.kind is Kind.DELETE:
        partition.buffer.delete(record.ids)
        return
    partition.buffer.append(record.ids, record.vectors)
    collection.id_origin = _ORIGINS[record.kind]


def _change(partition: Partition, added: Sequence[Segment], deleted: Sequence[Ids]) -> Change:
    if not deleted:
        return Change(partition, added)
    ids = np.unique(np.concatenate(deleted))
    masks = {segment.id: deletions.hit(segment.ids, ids) for segment in partition.segments}
    return Change(partition, added, deleted=ids, masks=masks)
