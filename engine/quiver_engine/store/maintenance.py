"""Background work: a flush each second, merging, indexing, removal of retired files."""

import logging
import threading
import time
from collections.abc import Callable

from quiver_engine.config_nodes import ConfigNodes
from quiver_engine.errors import DiskFailedError, DiskIsFull, RequestError
from quiver_engine.store.collection import Collection, Partition
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.system.allocator import Trimming
from quiver_engine.system.priority import give_way

logger = logging.getLogger(__name__)

LOOK_S = 1.0
BACKGROUND_GRACE_S = 5.0


class Maintenance:
    """Three threads that flush, merge and index, so that no flush waits for a merge or a build."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        indexing: Indexing,
        config_nodes: ConfigNodes,
        on_disk_failure: Callable[[DiskFailedError], None],
    ) -> None:
        self._store = store
        self._writer = writer
        self._indexing = indexing
        self._config_nodes = config_nodes
        self._on_disk_failure = on_disk_failure
        self._stopping = threading.Event()
        self._trimming = Trimming()
        self._flusher = self._thread("flush", writer.flush_all, self._wait_for_flush, give_way)
        self._merger = self._thread("merge", self.merge_all, self._stopping.wait, give_way)
        # Without give_way: its builds have a thread of their own.
        self._indexer = self._thread("index", indexing.work, indexing.wait_for_work)

    def _thread(
        self,
        name: str,
        work: Callable[[], object],
        pause: Callable[[float], object],
        begin: Callable[[], object] = lambda: None,
    ) -> threading.Thread:
        def run() -> None:
            begin()
            self._repeat(work, pause)

        return threading.Thread(target=run, name=name, daemon=True)

    def start(self) -> None:
        for thread in (self._flusher, self._merger, self._indexer):
            thread.start()

    def stop(self) -> bool:
        """Start nothing new; return whether the merge and the build under way ended in time.

        One that did not may end with the process: before its commit it has changed nothing.
        """
        self._stopping.set()
        self._writer.want_flush()
        self._indexing.stop()
        self._flusher.join()
        self._merger.join(BACKGROUND_GRACE_S)
        self._indexer.join(BACKGROUND_GRACE_S)
        return not (self._merger.is_alive() or self._indexer.is_alive())

    def _repeat(self, work: Callable[[], object], pause: Callable[[float], object]) -> None:
        while not self._stopping.is_set():
            pause(LOOK_S)
            if self._stopping.is_set():
                return
            try:
                work()
            except DiskFailedError as error:
                self._on_disk_failure(error)
                return
            except DiskIsFull:
                pass  # the disk has said so once, and it is tried again in a second
            except Exception:
                logger.exception("background work failed; it is tried again in a second")

    def _wait_for_flush(self, look_s: float) -> None:
        started = time.monotonic()
        while not self._writer.wait_until_flush_is_wanted(look_s):
            interval = self._config_nodes.auto_flush_interval_s
            if interval and time.monotonic() - started >= interval:
                return

    def merge_all(self) -> None:
        """Merge until there is nothing to merge, remove retired files, and look at the disk."""
        for collection in self._store.collections():
            for partition in list(collection.partitions.values()):
                if len(partition.segments) > 1:
                    self._merge(collection, partition)
        self._trimming.look(dropped=self._store.remove_retired())
        self._store.directory.disk.look()

    def _merge(self, collection: Collection, partition: Partition) -> None:
        try:
            while not self._stopping.is_set() and self._writer.merge_some(collection, partition):
                pass
        except DiskIsFull:
            pass  # that can wait until there is room
        except RequestError as error:
            logger.warning("cannot merge in %r: %s", collection.schema.name, error.reason)
