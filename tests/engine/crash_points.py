"""Die at every write of a store's life in turn, and check what the next start finds.

Run as `crash_points.py DIRECTORY`. A child process lives through inserts, a delete, flushes,
merges, an index, a compaction and a drop, and is killed at its k-th durable step, for every k until
it lives to the end. After each death the store is opened again: what was acknowledged must be
there, the rest wholly or not at all, and no file that does not count.
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
from quiver_engine.insert_log import Durability, InsertLog
from quiver_engine.maintenance import Maintenance
from quiver_engine.model import IndexSpec, IndexState, IndexType, InsertBatch, Metric, Rows, Schema
from quiver_engine.settings import Settings
from quiver_engine.store import Store
from quiver_engine.writing import Writer

BATCH = 30_000
BATCHES = 5
SCHEMA = Schema("c", dimension=2, index_file_size=1, metric=Metric.L2)
INDEX = IndexSpec(IndexType.IVF_FLAT, '{"nlist": 4}')


def batch(number: int, tag: str) -> InsertBatch:
    ids = np.arange(number * BATCH, (number + 1) * BATCH)
    vectors = np.stack([ids, -ids], axis=1).astype(np.float32)
    return InsertBatch("c", tag, Rows(BATCH, vectors.size, vectors), ids)


def deleted_ids() -> np.ndarray:
    """Ids of the first batch, which is flushed by then, and of the second, which is not."""
    return np.concatenate([np.arange(1000), np.arange(BATCH, BATCH + 1000)])


def live(directory: Path, acknowledge: Callable[[str], object]) -> None:
    store, writer, log = opened(directory)
    indexing = Indexing(store, writer)
    merges = Maintenance(store, writer, indexing, Settings(), sys.exit)
    store.create_collection(SCHEMA)
    acknowledge("create")
    store.create_partition("c", "p")
    for number in range(BATCHES):
        writer.insert(batch(number, "_default"))
        acknowledge("insert")
        writer.insert(batch(number + BATCHES, "p"))
        if number == 1:
            writer.delete("c", "_default", deleted_ids())
            acknowledge("delete")
        if number == BATCHES - 1:
            break
        writer.flush_all()
        acknowledge("flush")
        if number == 0:
            store.set_index(store.collection("c"), lambda _: IndexState(INDEX, requested=True))
            acknowledge("index")
            indexing.work()
        merges.merge_all()
    writer.compact(store.collection("c"))
    store.drop_partition("c", "p")
    acknowledge("drop")
    store.sweep()
    log.close(is_flushed=writer.flush_all())
    store.close()


def opened(directory: Path) -> tuple[Store, Writer, InsertLog]:
    store = Store(directory)
    log = InsertLog(store.directory.log_path, Durability.FSYNC)
    return store, Writer(store, log), log


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
    for change in (
        "create_collection", "create_partition", "drop_partition", "publish", "set_index",
        "add_index",
    ):  # fmt: skip
        setattr(Catalog, change, dying(getattr(Catalog, change)))


def check(directory: Path, acknowledged: list[str]) -> None:
    store, writer, log = opened(directory)
    assert store.has("c") or "create" not in acknowledged, "an acknowledged create is gone"
    if store.has("c"):
        assert writer.flush_all()
        collection = store.collection("c")
        inserts = whole_batches(collection.partitions["_default"], 0, acknowledged)
        assert inserts >= acknowledged.count("insert"), "an acknowledged insert is gone"
        if "p" in collection.partitions:
            assert "drop" not in acknowledged, "a dropped partition is back"
            others = whole_batches(collection.partitions["p"], BATCHES, [])
            assert inserts - 1 <= others <= inserts
        assert "index" not in acknowledged or collection.index.spec == INDEX
        Indexing(store, writer).work()
        assert collection.due == []
        store.sweep()
        counted = {s.path.name for s in collection.segments}
        counted |= {s.index.path.name for s in collection.segments if s.index}
        assert {path.name for path in (directory / "segments").iterdir()} == counted
    log.close(is_flushed=True)
    assert list(store.directory.log_path.iterdir()) == []
    store.close()


def whole_batches(partition: Any, first: int, acknowledged: list[str]) -> int:
    """Return how many batches there are, from `first` on; none may be there in part."""
    parts = [part for segment in partition.segments for part in segment.living_parts]
    for ids, vectors in parts:
        np.testing.assert_array_equal(vectors[:, 0], ids.astype(np.float32))
    ids = np.sort(np.concatenate([ids for ids, _ in parts] or [np.array([], int)]))
    has_lost = not first and len(ids) > 0 and not np.isin(deleted_ids(), ids).any()
    gone = deleted_ids() if has_lost else []
    assert len(gone) or "delete" not in acknowledged, "an acknowledged delete is undone"
    batches = -(-(len(ids) + len(gone)) // BATCH)
    expected = np.setdiff1d(np.arange(batches * BATCH), gone) + first * BATCH
    if batches:
        np.testing.assert_array_equal(ids, expected)
    return batches


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
