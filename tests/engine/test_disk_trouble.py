"""A full disk is an answer; a failed one ends the engine."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.errors import DiskFailedError, RequestError
from quiver_engine.indexing import Indexing
from quiver_engine.maintenance import Maintenance
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.settings import Settings
from quiver_engine.store import Store
from quiver_engine.writing import BUFFER_BYTES, Writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
    opened.create_collection(Schema("c", dimension=4, index_file_size=1, metric=Metric.L2))
    yield opened
    opened.close()


@pytest.fixture
def writer(store: Store) -> Writer:
    return Writer(store)


def flush_all(store: Store, writer: Writer) -> bool:
    return Maintenance(store, writer, Indexing(store, writer), Settings(), pytest.fail).flush_all()


def insert(writer: Writer, count: int = 10) -> None:
    vectors = np.zeros((count, 4), np.float32)
    writer.insert(InsertBatch("c", "_default", Rows(count, vectors.size, vectors), None))


def failing_fsync(number: int) -> object:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_full_disk_refuses_the_flush_and_keeps_the_rows(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says what to do; once there is room, the same rows are flushed."""
    insert(writer)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing_fsync(errno.ENOSPC))
        with pytest.raises(RequestError, match="free space and try again"):
            writer.flush(store.collection("c"))
        assert not flush_all(store, writer)
    assert store.collection("c").rows == 0
    assert flush_all(store, writer)
    assert store.collection("c").rows == 10


def test_a_full_disk_refuses_inserts_once_the_buffer_is_full(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows wait in memory up to a bound; beyond it an insert is refused and adds nothing."""
    insert(writer, BUFFER_BYTES // 24 + 1)
    held = store.collection("c").buffered_bytes
    monkeypatch.setattr(os, "fsync", failing_fsync(errno.ENOSPC))
    with pytest.raises(RequestError):
        insert(writer)
    assert store.collection("c").buffered_bytes == held


def test_a_failed_sync_is_never_acknowledged(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An fsync that fails otherwise than for room is no refusal: the engine has to stop."""
    insert(writer)
    monkeypatch.setattr(os, "fsync", failing_fsync(errno.EIO))
    with pytest.raises(DiskFailedError, match="fsync failed: Input/output error"):
        writer.flush(store.collection("c"))
