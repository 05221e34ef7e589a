"""What goes on in the background: a flush each second, merging, removing dead files."""

import logging
import threading
from collections.abc import Callable

from quiver_engine import merging
from quiver_engine.collection import Collection, Partition
from quiver_engine.errors import DiskFailedError, RequestError
from quiver_engine.store import Store

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 1.0
MERGE_GRACE_S = 5.0


class Maintenance:
    """Two threads, one that flushes and one that merges, so that no flush waits for a merge."""

    def __init__(self, store: Store, on_disk_failure: Callable[[DiskFailedError], None]) -> None:
        self._store = store
        self._on_disk_failure = on_disk_failure
        self._stopping = threading.Event()
        self._flusher = self._thread("flush", self.flush_all)
        self._merger = self._thread("merge", self.merge_all)

    def _thread(self, name: str, work: Callable[[], object]) -> threading.Thread:
        return threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True)

    def start(self) -> None:
        self._flusher.start()
        self._merger.start()

    def stop(self) -> bool:
        """Begin nothing new; return whether the merge under way, if any, ended in time.

        One that did not may die with the process: until its commit it has changed nothing.
        """
        self._stopping.set()
        self._flusher.join()
        self._merger.join(MERGE_GRACE_S)
        return not self._merger.is_alive()

    def _repeat(self, work: Callable[[], object]) -> None:
        while not self._stopping.wait(FLUSH_INTERVAL_S):
            try:
                work()
            except DiskFailedError as error:
                self._on_disk_failure(error)
                return
            except Exception:
                logger.exception("background work failed; it is tried again in a second")

    def flush_all(self) -> bool:
        """Flush all rows and remove dead files; return whether no row is left in memory."""
        done = True
        for collection in self._store.collections():
            try:
                self._store.flush(collection)
            except RequestError as error:
                logger.warning("cannot flush %r: %s", collection.schema.name, error.reason)
                done = False
        self._store.sweep()
        return done

    def merge_all(self) -> None:
        """Merge until there is nothing to merge."""
        for collection in self._store.collections():
            for partition in list(collection.partitions.values()):
                self._merge(collection, partition)

    def _merge(self, collection: Collection, partition: Partition) -> None:
        sealed_rows = collection.schema.sealed_rows
        while not (self._stopping.is_set() or partition.dropped):
            victims = merging.victims(partition.segments, sealed_rows)
            if not victims:
                return
            try:
                self._store.merge(partition, victims, sealed_rows)
            except RequestError as error:
                logger.warning("cannot merge in %r: %s", collection.schema.name, error.reason)
                return
