"""Collections and their rows: the catalog on disk and its image in memory, kept equal.

Reads go to memory and take no lock. Changes of the catalog take turns, each durable before it
shows in memory; reads, inserts and searches never wait for one.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quiver_engine import checks, segments
from quiver_engine.catalog import Catalog, SegmentRow
from quiver_engine.collection import Collection, Partition, Taken
from quiver_engine.datadir import DataDir
from quiver_engine.errors import RequestError, no_collection
from quiver_engine.ids import AutomaticIds
from quiver_engine.model import (
    DEFAULT_TAG,
    MAX_COLLECTIONS_AND_PARTITIONS,
    MIB,
    IdOrigin,
    Ids,
    InsertBatch,
    Schema,
)
from quiver_engine.segments import Segment
from quiver_proto import milvus_pb2 as pb

BUFFER_BYTES = 64 * MIB


@dataclass(frozen=True)
class Change:
    """Segments of one partition to come and to go, all at once."""

    partition: Partition
    added: Sequence[Segment]
    removed: Sequence[Segment] = ()


class Store:
    """An open data directory. Refusals are RequestError; DiskFailedError means: stop."""

    def __init__(self, path: Path) -> None:
        """Open a data directory, removing what a crash left; raises StartError."""
        self._directory = DataDir(path)
        self._catalog = Catalog(self._directory.catalog_path)
        self._directory.sync()
        self._automatic_ids = AutomaticIds()
        self._catalog_lock = threading.Lock()
        self._collections: dict[str, Collection] = {}
        self._doomed: list[Path] = []
        self._load()

    def _load(self) -> None:
        collections = {
            row.id: Collection(row.id, row.schema, row.id_origin)
            for row in self._catalog.collections()
        }
        partitions: dict[int, tuple[Partition, Schema]] = {}
        for row in self._catalog.partitions():
            owner, partition = collections[row.collection], Partition(row.id, row.tag)
            owner.partitions[row.tag] = partition
            partitions[row.id] = (partition, owner.schema)
        listed = self._catalog.segments()
        for entry in listed:
            partition, schema = partitions[entry.partition]
            partition.segments += (self._open_segment(entry, schema.dimension),)
        self._directory.keep_only(entry.id for entry in listed)
        self._directory.number_after(entry.id for entry in listed)
        self._collections = {c.schema.name: c for c in collections.values()}

    def _open_segment(self, entry: SegmentRow, dimension: int) -> Segment:
        path = self._directory.segment_path(entry.id)
        segment = segments.load(path, entry.id, dimension, entry.rows)
        segments.verify(segment)
        return segment

    def collections(self) -> list[Collection]:
        return list(self._collections.values())

    def has(self, name: str) -> bool:
        return name in self._collections

    def collection(self, name: str) -> Collection:
        """Return a collection; raises RequestError 4 when there is none of that name."""
        try:
            return self._collections[name]
        except KeyError:
            raise no_collection(name) from None

    def create_collection(self, schema: Schema) -> None:
        with self._catalog_lock:
            if schema.name in self._collections:
                raise RequestError(
                    pb.ILLEGAL_COLLECTION_NAME,
                    f"collection {schema.name!r} exists already: drop it or take another name",
                )
            self._check_limit()
            id_, partition_id = self._catalog.create_collection(schema, DEFAULT_TAG)
            collection = Collection(id_, schema)
            collection.partitions[DEFAULT_TAG] = Partition(partition_id, DEFAULT_TAG)
            self._collections[schema.name] = collection

    def _check_limit(self) -> None:
        # Each collection's _default stands for the collection itself in the sum.
        count = sum(len(collection.partitions) for collection in self._collections.values())
        if count >= MAX_COLLECTIONS_AND_PARTITIONS:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"the engine holds {count} collections and partitions, and"
                f" {MAX_COLLECTIONS_AND_PARTITIONS} is the limit for both together:"
                " drop some or use another engine",
            )

    def drop_collection(self, name: str) -> None:
        with self._catalog_lock:
            collection = self.collection(name)
            self._catalog.drop_collection(collection.id)
            del self._collections[name]
            self._discard(collection.partitions.values())

    def create_partition(self, name: str, tag: str) -> None:
        checks.new_tag(tag)
        with self._catalog_lock:
            collection = self.collection(name)
            if tag in collection.partitions:
                raise RequestError(
                    pb.UNEXPECTED_ERROR,
                    f"collection {name!r} has a partition {tag!r} already: take another tag",
                )
            self._check_limit()
            partition = Partition(self._catalog.create_partition(collection.id, tag), tag)
            with collection.lock:
                collection.partitions[tag] = partition

    def drop_partition(self, name: str, tag: str) -> None:
        checks.dropped_tag(tag)
        with self._catalog_lock:
            collection = self.collection(name)
            partition = collection.partition(tag)
            self._catalog.drop_partition(partition.id)
            with collection.lock:
                del collection.partitions[tag]
            self._discard([partition])

    def _discard(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            partition.dropped = True
            self._doomed += [segment.path for segment in partition.segments]

    def insert(self, batch: InsertBatch) -> Ids:
        """Buffer rows until the next flush; return their ids, int64."""
        checks.insert_request(batch)
        collection = self.collection(batch.collection)
        if collection.buffered_bytes >= BUFFER_BYTES:
            self.flush(collection)
        origin = IdOrigin.AUTOMATIC if batch.ids is None else IdOrigin.USER
        with collection.lock:
            checks.id_origin(batch.collection, collection.id_origin, origin)
            vectors = checks.vectors(batch.rows, collection.schema.dimension)
            checks.insert_size(vectors)
            partition = collection.partition(batch.tag)
            ids = self._automatic_ids.take(len(vectors)) if batch.ids is None else batch.ids
            partition.buffer.append(ids, vectors)
            collection.id_origin = origin
        return ids

    def flush(self, collection: Collection) -> None:
        """Make every row inserted before this call durable and visible."""
        with collection.flush_lock:
            taken = collection.take_buffers()
            if not taken:
                return
            try:
                self._write(collection, taken)
            except BaseException:
                collection.give_back(taken)
                raise

    def _write(self, collection: Collection, taken: Taken) -> None:
        groups = [
            (partition, group)
            for partition, buffer in taken
            for group in segments.cut([buffer.joined()], collection.schema.sealed_rows)
            if not partition.dropped
        ]
        written = self._directory.write_segments([group for _, group in groups])
        changes = [
            Change(partition, [segment])
            for (partition, _), segment in zip(groups, written, strict=True)
        ]
        origins = {collection.id: collection.id_origin} if collection.id_origin else {}
        self._publish(changes, origins)

    def merge(self, partition: Partition, victims: Sequence[Segment], sealed_rows: int) -> None:
        """Rewrite segments as fewer ones, full ones first; nobody waits for it."""
        parts = [(segment.ids, segment.vectors) for segment in victims]
        written = self._directory.write_segments(segments.cut(parts, sealed_rows))
        self._publish([Change(partition, written, victims)], origins={})

    def _publish(self, changes: Sequence[Change], origins: Mapping[int, IdOrigin]) -> None:
        """Make changes count, on disk and for searches; those of dropped partitions vanish."""
        with self._catalog_lock:
            live = [change for change in changes if not change.partition.dropped]
            try:
                self._catalog.publish(
                    [SegmentRow(s.id, c.partition.id, s.rows) for c in live for s in c.added],
                    [s.id for c in live for s in c.removed],
                    origins,
                )
            except RequestError:
                self._doomed += [s.path for c in changes for s in c.added]
                raise
            for change in changes:
                self._apply(change)

    def _apply(self, change: Change) -> None:
        partition = change.partition
        if partition.dropped:
            self._doomed += [segment.path for segment in change.added]
            return
        kept = [segment for segment in partition.segments if segment not in change.removed]
        partition.segments = (*kept, *change.added)
        self._doomed += [segment.path for segment in change.removed]

    def sweep(self) -> None:
        """Remove the files of what was dropped or merged away."""
        with self._catalog_lock:
            doomed, self._doomed = self._doomed, []
        self._directory.remove(doomed)

    def close(self) -> None:
        self._catalog.close()
        self._directory.close()
