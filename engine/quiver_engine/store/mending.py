"""What is done about files that turn out to be damaged while the engine runs."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from quiver_engine.errors import DamagedIndex, DamagedSegment
from quiver_engine.files import index_files, segments
from quiver_engine.files.catalog import Catalog
from quiver_engine.files.datadir import DataDir
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.segments import Segment
from quiver_engine.model import IndexSpec
from quiver_engine.store import damage
from quiver_engine.store.collection import Collection, Partition
from quiver_engine.store.retired import Retired

logger = logging.getLogger(__name__)


class Mending:
    """Judges under the catalog's lock whether a file still counts, and acts on it then.

    Methods raise DiskFailedError when the engine must stop.
    """

    def __init__(
        self,
        catalog: Catalog,
        lock: threading.Lock,
        directory: DataDir,
        retired: Retired,
        collections: Callable[[], Iterable[Collection]],
    ) -> None:
        self._catalog = catalog
        self._lock = lock
        self._directory = directory
        self._retired = retired
        self._collections = collections
        self._damaged: deque[tuple[int, int]] = deque()
        """Segments and their indexes, by number, that searches have found damaged."""

    def load_index(self, index_id: int, spec: IndexSpec, segment_id: int, rows: int) -> IndexFile:
        """Map an index file; raises DamagedIndex.

        Damage that shows when it is read is left to `retire_damaged_indexes`.
        """
        path = self._directory.index_path(index_id)

        def on_damage(what: str) -> None:
            logger.error("%s; it is built anew", what)
            self._damaged.append((segment_id, index_id))

        memory = self._directory.memory
        return index_files.load(path, index_id, spec, rows, memory=memory, on_damage=on_damage)

    def retire_damaged_indexes(self) -> None:
        """Retire the indexes that turned out to be damaged when a search read them."""
        while self._damaged:
            damaged = self._damaged.popleft()
            with self._lock:
                for collection in self._collections():
                    for partition, segment, index in list(collection.indexed()):
                        if (segment.id, index.id) == damaged:
                            self._remove_index(partition, segment, index)

    def retire_damaged_index(
        self, partition: Partition, segment: Segment, index: IndexFile, error: DamagedIndex
    ) -> bool:
        """Retire an index whose file is damaged; return False if it is gone anyway."""
        with self._lock:
            current = partition.now(segment)
            if current is None or current.index is not index:
                return False
            self._remove_index(partition, current, index)
        logger.error("%s; it is built anew", error)
        return True

    def _remove_index(self, partition: Partition, segment: Segment, index: IndexFile) -> None:
        self._catalog.remove_index(index.id)
        self._retired.add_index(segment)
        partition.replace(segments.with_index(segment, None))

    def rewrite(self, partition: Partition, segment: Segment, error: DamagedSegment) -> bool:
        """Write a segment's file anew from memory; return False if that is not sound or it is gone.

        Raises DiskIsFull.
        """
        written = self._directory.rewritten(segment) if partition.has(segment) else None
        if written is None:
            return False
        with self._lock:
            current = partition.now(segment)
            if current is None:
                self._directory.remove([written])
                return False
            fresh = self._directory.put_back(written, current)
            partition.replace(segments.moved(current, fresh))
        current.raw.retire()
        logger.error("%s; memory has it intact, and it was written anew: nothing is lost", error)
        return True

    def quarantine(
        self, collection: Collection, partition: Partition, segment: Segment, error: DamagedSegment
    ) -> bool:
        """Leave out a damaged segment, as the start does; return False if it is gone anyway."""
        with self._lock:
            current = partition.now(segment)
            if current is None:
                return False
            if current.index is not None:
                self._catalog.remove_index(current.index.id)
                self._retired.add_index(current)
            partition.damaged += (current.path,)
            partition.segments = tuple(s for s in partition.segments if s is not current)
        current.raw.retire()
        damage.left_out(error, current.rows, partition, collection)
        return True

    def mend_catalog(self) -> bool:
        """Write the catalog anew from memory if the disk has damaged it; tell whether it has."""
        what = self._catalog.damage_on_disk(self._lock)
        if what is None:
            return False
        with self._lock:
            self._catalog.restore()
        logger.error(
            "catalog %s is damaged: %s; memory has it intact, and it was written anew: nothing is"
            " lost",
            self._directory.catalog_path,
            what,
        )
        return True
