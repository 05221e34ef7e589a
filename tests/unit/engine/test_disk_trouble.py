"""A full disk is an answer; a failed one ends the engine."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.errors import DiskFailedError, DiskIsFull, RequestError
from quiver_engine.files.disk import RESERVE, Disk, Room
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.store.store import Store
from quiver_engine.store.writing import BUFFER_BYTES, Writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data")
    opened.create_collection(Schema("c", dimension=4, index_file_size=1, metric=Metric.L2))
    yield opened
    opened.close()


@pytest.fixture
def writer(store: Store) -> Writer:
    return Writer(store, InsertLog(store.directory.log_path, Durability.FSYNC))


def insert(writer: Writer, count: int = 10) -> None:
    vectors = np.zeros((count, 4), np.float32)
    writer.insert(InsertBatch("c", "_default", Rows.of(vectors), None))


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
        assert not writer.flush_all()
    assert store.collection("c").rows == 0
    assert writer.flush_all()
    assert store.collection("c").rows == 10


def test_a_merge_that_has_no_room_is_not_begun(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would fill the disk until it fails, and again each second; inserts go on."""
    for _ in range(2):
        insert(writer)
        writer.flush_all()
    before = {path: path.stat() for path in store.directory.path.rglob("*.seg*")}
    with monkeypatch.context() as nearly_full:
        nearly_full.setattr(Disk, "room", Room(RESERVE + 100, 1024 * RESERVE))
        with pytest.raises(DiskIsFull):
            writer.merge_small(store.collection("c"))
        insert(writer)
    assert {path: path.stat() for path in store.directory.path.rglob("*.seg*")} == before
    writer.merge_small(store.collection("c"))
    (partition,) = store.collection("c").partitions.values()
    assert [segment.rows for segment in partition.segments] == [20]


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


def test_a_full_disk_refuses_inserts_and_deletes_until_there_is_room(
    store: Store, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that the log has room for in part only is taken back; later ones are sound."""
    insert(writer)
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) <= 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        with pytest.raises(RequestError, match="free space and try again"):
            insert(writer)
        with pytest.raises(RequestError, match="free space and try again"):
            writer.delete("c", "", np.array([1, 2]))
    insert(writer)
    shutil.copytree(store.directory.path, tmp_path / "after a kill")
    again = Store(tmp_path / "after a kill")
    Writer(again, InsertLog(again.directory.log_path, Durability.FSYNC)).flush_all()
    assert again.collection("c").rows == 20
    again.close()


def test_a_failing_log_is_never_acknowledged(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An insert whose record cannot be synced ends the engine instead of being answered."""
    monkeypatch.setattr(os, "fsync", failing_fsync(errno.EIO))
    with pytest.raises(DiskFailedError, match="fsync failed"):
        insert(writer)
