"""The catalog's file."""

import shutil
from pathlib import Path

import numpy as np

from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def test_the_catalogs_journal_is_empty_before_files_are_removed(tmp_path: Path) -> None:
    """SQLite takes a flipped bit in it for its end; nothing depends on it that long."""
    store = Store(tmp_path / "data")
    writer = Writer(store, InsertLog(store.directory.log_path, Durability.FSYNC))
    for name in ("c", "d"):
        store.create_collection(Schema(name, dimension=1, index_file_size=1, metric=Metric.L2))
        vectors = np.zeros((2, 1), np.float32)
        writer.insert(InsertBatch(name, "_default", Rows.of(vectors), None))
    writer.flush_all()
    store.remove_retired()
    killed = shutil.copytree(tmp_path / "data", tmp_path / "killed")
    store.close()
    assert not (killed / "catalog.sqlite-wal").read_bytes()
    store = Store(killed)
    assert [held.rows for held in store.collections()] == [2, 2]
    store.close()
