"""All collections: the catalog on disk and its image in memory, which are kept equal.

Reads use the image and take no lock. Changes of the catalog take turns; each is durable before it
shows in the image. Reads, inserts and searches never wait for a change.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from quiver_engine import checks
from quiver_engine.compute.devices import Cpu, Device
from quiver_engine.errors import RequestError, no_collection
from quiver_engine.files import segments
from quiver_engine.files.catalog import Catalog
from quiver_engine.files.catalog_rows import Flushed, SegmentRow
from quiver_engine.files.datadir import DataDir
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.progress import Progress
from quiver_engine.files.segments import Segment
from quiver_engine.model import (
    DEFAULT_TAG,
    TAG_BLANKS,
    IndexState,
    Limits,
    Schema,
)
from quiver_engine.store import recovery
from quiver_engine.store.changes import Change, segments_after
from quiver_engine.store.collection import Collection, Partition
from quiver_engine.store.mending import Mending
from quiver_engine.store.retired import Retired
from quiver_engine.system.memory import Memory
from quiver_proto import milvus_pb2 as pb


class Store:
    """An open data directory.

    Methods raise RequestError to refuse, and DiskFailedError when the engine must stop.
    """

    def __init__(
        self,
        path: Path,
        device: Device | None = None,
        progress: Progress | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Open a data directory and remove what a crash left behind; raises StartError.

        It may hold more than `limits` allows: then nothing is added.
        """
        self.limits = limits or Limits()
        self.device = device or Cpu(Memory())
        self.directory = DataDir(path, self.device.memory)
        self._catalog = Catalog(self.directory.catalog_path, self.directory.disk)
        self.directory.sync()
        self._catalog_lock = threading.Lock()
        self._retired = Retired()
        self.mending = Mending(
            self._catalog, self._catalog_lock, self.directory, self._retired, self.collections
        )
        recovered = recovery.collections(
            self._catalog, self.directory, self.mending.load_index, progress or Progress()
        )
        self._collections = {collection.schema.name: collection for collection in recovered}
        self._count = sum(len(collection.partitions) for collection in recovered)
        """Collections and partitions together: a collection counts as its partition `_default`."""

    def collections(self) -> list[Collection]:
        return list(self._collections.values())

    def has(self, name: str) -> bool:
        return name in self._collections

    def find(self, name: str) -> Collection | None:
        return self._collections.get(name)

    def collection(self, name: str) -> Collection:
        """Return a collection.

        Raises RequestError COLLECTION_NOT_EXISTS, or ILLEGAL_COLLECTION_NAME for a name that none
        can have.
        """
        try:
            return self._collections[name]
        except KeyError:
            checks.name(name)
            raise no_collection(name) from None

    @property
    def damaged(self) -> int:
        """How many segment files are left out because they are damaged."""
        return sum(len(collection.damaged) for collection in self.collections())

    def create_collection(self, schema: Schema) -> None:
        self.directory.disk.check()
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
            self._count += 1

    def _check_limit(self) -> None:
        if self._count >= self.limits.together:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"the engine holds {self._count} collections and partitions, and"
                f" {self.limits.together} is the limit for both together: drop some, start the"
                " engine with a higher --max-collections-and-partitions or use another engine",
            )

    def _check_partitions(self, collection: Collection) -> None:
        if len(collection.partitions) > self.limits.partitions:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"collection {collection.schema.name!r} has {len(collection.partitions) - 1}"
                f" partitions beside {DEFAULT_TAG}, and {self.limits.partitions} is the limit: drop"
                " some or use another collection",
            )

    def drop_collection(self, name: str) -> None:
        with self._catalog_lock:
            collection = self.collection(name)
            self._catalog.drop_collection(collection.id)
            del self._collections[name]
            collection.dropped = True
            self._drop(collection.partitions.values())

    def create_partition(self, name: str, tag: str) -> None:
        tag = tag.strip(TAG_BLANKS)
        checks.new_tag(tag)
        self.directory.disk.check()
        with self._catalog_lock:
            collection = self.collection(name)
            if tag in collection.partitions:
                raise RequestError(
                    pb.UNEXPECTED_ERROR,
                    f"collection {name!r} has a partition {tag!r} already: take another tag",
                )
            self._check_partitions(collection)
            self._check_limit()
            partition = Partition(self._catalog.create_partition(collection.id, tag), tag)
            with collection.lock:
                collection.partitions[tag] = partition
            self._count += 1

    def drop_partition(self, name: str, tag: str) -> None:
        checks.dropped_tag(tag)
        with self._catalog_lock:
            collection = self.collection(name)
            partition = collection.partition(tag)
            self._catalog.drop_partition(partition.id)
            with collection.lock:
                del collection.partitions[partition.tag]
            self._drop([partition])

    def _drop(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._count -= 1
            partition.dropped = True
            self._retired.add_segments(partition.segments)
            self._retired.add(*partition.damaged)

    def publish(self, changes: Sequence[Change], flush: Flushed | None = None) -> None:
        """Commit changes, then show them to searches; void ones are discarded."""
        with self._catalog_lock:
            live = [change for change in changes if not change.is_void]
            after = {change.partition: segments_after(change) for change in live}
            marked = {
                segment.id: segment.deletions.to_bytes()
                for change in live
                for segment in after[change.partition]
                if segment.deletions and segment not in change.partition.segments
            }
            try:
                self._catalog.publish(
                    [SegmentRow(s.id, c.partition.id, s.rows) for c in live for s in c.added],
                    [s.id for c in live for s in c.removed],
                    marked,
                    flush,
                )
            except RequestError:
                self._retired.add_segments(s for c in changes for s in c.added)
                raise
            self._retired.add_segments(s for c in changes if c not in live for s in c.added)
            for change in live:
                removed = {segment.id for segment in change.removed}
                self._retired.add_segments(s for s in change.partition.segments if s.id in removed)
                change.partition.segments = after[change.partition]

    def set_index(self, collection: Collection, change: Callable[[IndexState], IndexState]) -> None:
        """Change which index a collection is to have, and retire its indexes if that is another."""
        with self._catalog_lock:
            if collection.dropped:
                raise no_collection(collection.schema.name)
            state = change(collection.index)
            old = [] if state.spec == collection.index.spec else list(collection.indexed())
            self._catalog.set_index(collection.id, state, [index.id for _, _, index in old])
            collection.index = state
            for partition, segment, _ in old:
                self._retired.add_index(segment)
                partition.replace(segments.with_index(segment, None))

    def add_index(
        self, collection: Collection, partition: Partition, segment: Segment, index: IndexFile
    ) -> None:
        """Add the index of a segment, unless the segment is gone or another index is wanted."""
        with self._catalog_lock:
            current = partition.now(segment)
            if current is None or collection.index.spec != index.spec:
                self._retired.add(index.path)
                return
            try:
                self._catalog.add_index(index.id, segment.id)
            except RequestError:
                self._retired.add(index.path)
                raise
            partition.replace(segments.with_index(current, index))

    def checkpoint(self) -> None:
        """Write the catalog's commits out, so that files that only they made superfluous may go."""
        with self._catalog_lock:
            self._catalog.empty_journal()

    def remove_retired(self) -> bool:
        """Remove the files of what was dropped or merged away; tell whether there were any."""
        with self._catalog_lock:
            self._catalog.empty_journal()
            retired = self._retired.take()
        self.directory.remove(retired)
        return bool(retired)

    def close(self) -> None:
        self._catalog.close()
        self.directory.close()
