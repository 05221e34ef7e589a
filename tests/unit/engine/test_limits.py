"""Limits that keep an engine's memory small."""

from pathlib import Path

import numpy as np
import pytest

from quiver_engine import checks
from quiver_engine.errors import RequestError
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import MIB, Metric, Schema
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def test_deletes_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    """Without automatic flushes, ids to delete are flushed once they fill the buffer."""
    store = Store(tmp_path)
    writer = Writer(store, InsertLog(store.directory.log_path, Durability.OS), buffer=8000)
    store.create_collection(Schema("c", 1, 1, Metric.L2))
    collection = store.collection("c")
    for start in range(0, 10_000, 500):
        writer.delete("c", "", np.repeat(np.arange(start, start + 500), 3))
        assert collection.buffered_bytes <= 8000 + 500 * 8
    store.close()


def test_a_segment_of_more_ids_than_an_answer_holds_is_refused() -> None:
    """33,554,432 ids are given, one more is refused with both numbers."""
    checks.answered_ids("1", 256 * MIB // 8)
    with pytest.raises(RequestError, match=r"33554433 ids.*at most 33554432"):
        checks.answered_ids("1", 256 * MIB // 8 + 1)


def test_256_mib_in_one_insert_are_taken() -> None:
    """The limit itself is still allowed."""
    checks.insert_size(np.broadcast_to(np.float32(0), (2048, 32768)))
