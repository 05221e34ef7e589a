"""Which collections are looked at for an index to build, and what is said of one that fails."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.calls import lookup
from quiver_engine.errors import DiskIsFull
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import IndexSpec, IndexType, InsertBatch, Metric, Rows, Schema
from quiver_engine.store.collection import Collection
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def test_an_index_is_built_without_a_look_at_other_collections(tmp_path: Path) -> None:
    """CreateIndex takes no longer with thousands of collections than with one."""
    store = Store(tmp_path)
    indexing = Indexing(store, Writer(store, InsertLog(store.directory.log_path, Durability.OS)))
    for number in range(20):
        store.create_collection(Schema(f"c{number}", 4, 1, Metric.L2))
    indexing.work()
    looked_at: list[str] = []

    class Watched(Collection):
        @property
        def due(self) -> list:
            looked_at.append(self.schema.name)
            return super().due

    for collection in store.collections():
        collection.__class__ = Watched
    spec = IndexSpec(IndexType.IVF_FLAT, '{"nlist": 4}')
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(indexing.create, store.collection("c7"), spec, lambda: True)
        indexing.wait_for_work(10)
        indexing.work()
        done.result(timeout=10)
    assert store.collection("c7").index.spec == spec
    assert set(looked_at) == {"c7"}
    store.close()


def test_an_index_that_finds_no_room_is_told_apart_from_others_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """To who called CreateIndex, to who looks at the collection later, and in the log once. The
    disk does not count as full: an index needs much room, and inserts may have enough.
    """
    store = Store(tmp_path)
    writer = Writer(store, InsertLog(store.directory.log_path, Durability.OS))
    indexing = Indexing(store, writer)
    store.create_collection(Schema("c", 4, 1, Metric.L2))
    writer.insert(InsertBatch("c", "_default", Rows.of(np.zeros((5000, 4), np.float32)), None))
    writer.flush_all()

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    spec = IndexSpec(IndexType.IVF_FLAT, '{"nlist": 4}')
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(indexing.create, store.collection("c"), spec, lambda: True)
        indexing.wait_for_work(10)
        indexing.work()
        with pytest.raises(DiskIsFull, match="the index is not built: the disk is full"):
            done.result(timeout=10)
    told = lookup.info(store.collection("c"))["index_build"]
    assert (told["waiting"], told["disk_full"]) == (1, True)
    failure = store.collection("c").index_failure
    assert failure is not None
    store.collection("c").index_failure = replace(failure, retry_at=0.0)
    indexing.work()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("cannot index 'c', tried again each minute: the disk is full")
    assert not store.directory.disk.is_full
    store.close()
