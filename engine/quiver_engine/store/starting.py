"""A start of the engine that serves nobody: what it mends stays mended."""

from pathlib import Path

from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.files.progress import Progress
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def start_and_stop(path: Path) -> None:
    """Open a data directory and close it, its log replayed and all rows in segments.

    Raises StartError, RequestError, DiskFailedError or OSError.
    """
    progress = Progress()
    store = Store(path, progress=progress)
    log = InsertLog(store.directory.log_path, Durability.FSYNC, disk=store.directory.disk)
    flushed = Writer(store, log, progress).flush_all()
    log.close(is_flushed=flushed)
    store.remove_retired()
    store.close()
