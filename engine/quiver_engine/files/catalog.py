"""The catalog: which collections, partitions and segments there are, in SQLite.

With its write-ahead journal and synchronous=FULL, every commit is on disk before it returns, and
one that a crash cut off is undone at the next open. A copy of it in memory gets the same commits,
so that what the disk damages later can be written anew. The store calls it from one thread at a
time, but for `damage_on_disk`.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from quiver_engine.errors import DiskFailedError
from quiver_engine.files import catalog_opening, catalog_rows, reading
from quiver_engine.files.catalog_rows import CollectionRow, Flushed, PartitionRow, SegmentRow
from quiver_engine.files.disk import Disk
from quiver_engine.model import IndexState, Schema

Execute = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]

_NEW_PARTITION = "INSERT INTO partitions (id, tag, collection) VALUES (?, ?, ?)"
_SET_DELETIONS = "INSERT OR REPLACE INTO deletions (segment, bitmap) VALUES (?, ?)"


class Catalog:
    """An open catalog. When a method that changes it returns, the change is durable.

    Such a method raises DiskIsFull, and DiskFailedError when the disk fails.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        """Open or create the catalog; raises StartError when it cannot be used."""
        self._path = path
        self._disk = disk
        self._checkpointed = -1
        """`total_changes` when the journal was last emptied."""
        with catalog_opening.refusing(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            _configure(self._db)
            catalog_opening.prepare(self._db, path)
            self._memory = catalog_opening.copy_of(self._db)
            self.empty_journal()
        # SQLite's locks end when any descriptor of the file is closed, so this one stays open.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def collections(self) -> list[CollectionRow]:
        return catalog_rows.collections(self._db)

    def partitions(self) -> list[PartitionRow]:
        return catalog_rows.partitions(self._db)

    def segments(self) -> list[SegmentRow]:
        return catalog_rows.segments(self._db)

    def create_collection(self, schema: Schema, default_tag: str) -> tuple[int, int]:
        """Add a collection with its default partition; return the ids of both."""
        with self._transaction() as execute:
            collection, partition = _new_id(execute, "collection"), _new_id(execute, "partition")
            execute(
                "INSERT INTO collections (id, name, dimension, index_file_size, metric)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    collection,
                    schema.name,
                    schema.dimension,
                    schema.index_file_size,
                    int(schema.metric),
                ),
            )
            execute(_NEW_PARTITION, (partition, default_tag, collection))
        return collection, partition

    def drop_collection(self, collection: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM collections WHERE id = ?", (collection,))

    def create_partition(self, collection: int, tag: str) -> int:
        with self._transaction() as execute:
            partition = _new_id(execute, "partition")
            execute(_NEW_PARTITION, (partition, tag, collection))
        return partition

    def drop_partition(self, partition: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM partitions WHERE id = ?", (partition,))

    def publish(
        self,
        added: Iterable[SegmentRow],
        removed: Iterable[int],
        deletions: Mapping[int, bytes],
        flush: Flushed | None,
    ) -> None:
        """Add and remove segments, set deletions and note a flush, in one transaction."""
        with self._transaction() as execute:
            if flush is not None:
                execute(
                    "UPDATE collections SET id_origin = ?, flushed = ? WHERE id = ?",
                    (flush.origin and flush.origin.value, flush.up_to, flush.collection),
                )
            for segment in removed:
                execute("DELETE FROM segments WHERE id = ?", (segment,))
            for row in added:
                execute(
                    "INSERT INTO segments (id, partition, rows) VALUES (?, ?, ?)",
                    (row.id, row.partition, row.rows),
                )
            for segment, bitmap in deletions.items():
                execute(_SET_DELETIONS, (segment, bitmap))

    def set_index(self, collection: int, state: IndexState, dropped: Iterable[int]) -> None:
        """Set which index a collection is to have, and remove index files, in one transaction."""
        with self._transaction() as execute:
            execute(
                "UPDATE collections SET index_type = ?, index_params = ?, index_requested = ?,"
                " index_covers = ? WHERE id = ?",
                (
                    int(state.spec.type),
                    state.spec.params,
                    int(state.requested),
                    state.covers,
                    collection,
                ),
            )
            for index in dropped:
                execute("DELETE FROM indexes WHERE id = ?", (index,))

    def add_index(self, index: int, segment: int) -> None:
        """Add the index file of a segment."""
        with self._transaction() as execute:
            execute("INSERT INTO indexes (id, segment) VALUES (?, ?)", (index, segment))

    def remove_index(self, index: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM indexes WHERE id = ?", (index,))

    def close(self) -> None:
        self._db.close()
        self._memory.close()
        os.close(self._descriptor)

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        both = self._memory, self._db
        try:
            for each in both:
                each.execute("BEGIN IMMEDIATE")
            yield self._execute
            self._db.execute("COMMIT")
            self._memory.execute("COMMIT")
        except sqlite3.Error as error:
            for each in both:
                if each.in_transaction:
                    each.execute("ROLLBACK")
            raise self._failure(error) from error

    def _execute(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        self._memory.execute(sql, values).fetchall()
        return self._db.execute(sql, values).fetchall()

    def damage_on_disk(self, lock: AbstractContextManager[object]) -> str | None:
        """Read the whole catalog from the disk; return what is wrong with it.

        It takes the lock of the caller's other calls while it reads, and looks at what it has read
        without it.
        """
        reading.forget(self._descriptor)
        return catalog_opening.damage(self._path, lock)

    def restore(self) -> None:
        """Write the whole catalog anew from its copy in memory, in one commit."""
        try:
            self._checkpointed = -1
            self._memory.backup(self._db)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def empty_journal(self) -> None:
        """Write the commits in the journal into the database, and empty the journal.

        SQLite takes a damaged byte of the journal for its end, so a single flipped bit loses the
        commits that are only there. Files that a commit made superfluous go only after this.
        """
        if self._db.total_changes == self._checkpointed:
            return
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # On a full disk the commits stay in the journal for now, where they are durable too.
            if not _is_full(error):
                raise self._failure(error) from error
            return
        self._checkpointed = self._db.total_changes

    def _failure(self, error: sqlite3.Error) -> Exception:
        if _is_full(error):
            return self._disk.refused()
        return DiskFailedError(f"the catalog could not be written: {error}")


def _configure(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    # A pod with a volume can write nowhere but there: it has no folder for temporary files.
    db.execute("PRAGMA temp_store = MEMORY")


def _new_id(execute: Execute, kind: str) -> int:
    sql = "UPDATE last_ids SET id = id + 1 WHERE kind = ? RETURNING id"
    ((id_,),) = execute(sql, (kind,))
    return int(id_)


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
