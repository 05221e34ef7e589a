"""Die at every write of a store's life in turn, and check what the next start finds.

Run as `crash_points.py DIRECTORY`. A child process lives through inserts, flushes, merges and a
drop, and is killed at its k-th durable step, for every k until it lives to the end. After each
death the store is opened again: what was acknowledged must be there, an unacknowledged flush wholly
or not at all, and no file that does not count.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from quiver_engine.catalog import Catalog
from quiver_engine.indexing import Indexing
from quiver_engine.maintenance import Maintenance
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.settings import Settings
from quiver_engine.store import Store
from quiver_engine.writing import Writer

BATCH = 30_000
BATCHES = 5
SCHEMA = Schema("c", dimension=2, index_file_size=1, metric=Metric.L2)


def batch(number: int, tag: str) -> InsertBatch:
    ids = np.arange(number * BATCH, (number + 1) * BATCH)
    vectors = np.stack([ids, -ids], axis=1).astype(np.float32)
    return InsertBatch("c", tag, Rows(BATCH, vectors.size, vectors), ids)


def live(directory: Path, acknowledge: Callable[[str], object]) -> None:
    store = Store(directory)
    writer = Writer(store)
    indexing = Indexing(store, writer)
    merges = Maintenance(store, writer, indexing, Settings(), sys.exit)
    store.create_collection(SCHEMA)
    acknowledge("create")
    store.create_partition("c", "p")
    for number in range(BATCHES):
        writer.insert(batch(number, "_default"))
        writer.insert(batch(number + BATCHES, "p"))
        writer.flush(store.collection("c"))
        acknowledge("flush")
        merges.merge_all()
        store.sweep()
    store.drop_partition("c", "p")
    acknowledge("drop")
    store.sweep()
    store.close()


def die_at(step: int) -> None:
    """Make this process die before the step-th durable operation, counted from 0."""
    left = iter(range(step))

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return instead

    os.fsync = dying(os.fsync)
    os.rename = dying(os.rename)
    os.unlink = dying(os.unlink)
    for change in ("create_collection", "create_partition", "drop_partition", "publish"):
        setattr(Catalog, change, dying(getattr(Catalog, change)))


def check(directory: Path, acknowledged: list[str]) -> None:
    store = Store(directory)
    assert store.has("c") or "create" not in acknowledged, "an acknowledged create is gone"
    if store.has("c"):
        partitions = store.collection("c").partitions
        flushes = whole_batches(partitions["_default"].segments, first=0)
        assert flushes >= acknowledged.count("flush"), "an acknowledged flush is gone"
        if "p" in partitions:
            assert whole_batches(partitions["p"].segments, first=BATCHES) == flushes
        assert "p" not in partitions or "drop" not in acknowledged, "a dropped partition is back"
        files = {path.name for path in (directory / "segments").iterdir()}
        assert files == {segment.path.name for segment in store.collection("c").segments}
    store.close()


def whole_batches(segments: tuple[Any, ...], first: int) -> int:
    ids = np.sort(np.concatenate([segment.ids for segment in segments] or [np.array([], int)]))
    np.testing.assert_array_equal(ids, np.arange(len(ids)) + first * BATCH)
    assert len(ids) % BATCH == 0, "a flush counts in part"
    for segment in segments:
        np.testing.assert_array_equal(segment.vectors[:, 0], segment.ids.astype(np.float32))
    return len(ids) // BATCH


def live_until(step: int, directory: Path) -> tuple[bool, list[str]]:
    """Return whether the child lived to its end, and what it had acknowledged by then."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        die_at(step)
        live(directory, lambda word: os.write(writer, f"{word}\n".encode()))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        acknowledged = told.read().split()
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), "the child broke by itself"
    return status == 0, acknowledged


def main(directory: Path) -> None:
    step, lived = 0, False
    while not lived:
        shutil.rmtree(directory, ignore_errors=True)
        lived, acknowledged = live_until(step, directory)
        if directory.exists():
            check(directory, acknowledged)
        step += 1
    print(f"died {step - 1} times")  # noqa: T201 - the caller reads it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
