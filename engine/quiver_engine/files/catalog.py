"""The catalog: which collections, partitions and segments there are, in SQLite.

With its write-ahead journal and synchronous=FULL, every commit is on disk before it returns, and
one that a crash cut off is undone at the next open. The store calls it from one thread at a time.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quiver_engine.errors import DiskFailedError, StartError
from quiver_engine.files.catalog_formats import APPLICATION_ID, FORMATS
from quiver_engine.files.disk import Disk
from quiver_engine.model import IdOrigin, IndexSpec, IndexState, IndexType, Metric, Schema


@dataclass(frozen=True)
class CollectionRow:
    id: int
    schema: Schema
    id_origin: IdOrigin | None
    index: IndexState
    flushed: int
    """All of its records in the insert log up to this number are in segments."""


@dataclass(frozen=True)
class Flushed:
    """What a flush changes of its collection."""

    collection: int
    origin: IdOrigin | None
    up_to: int
    """The last record of the insert log whose rows are in segments now."""


@dataclass(frozen=True)
class PartitionRow:
    id: int
    collection: int
    tag: str


@dataclass(frozen=True)
class SegmentRow:
    id: int
    partition: int
    rows: int
    index: int | None = None
    """Number of its index file."""
    deletions: bytes | None = None
    """A bit for each row, set where it is deleted."""


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
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
            self._check()
            self.empty_journal()
        except (sqlite3.Error, ValueError) as error:
            # ValueError: bytes that are no text, or a number that no enum has.
            why = " ".join(str(error).split())
            raise StartError(
                f"catalog {path} cannot be read: {why}; restore the data directory from a backup"
            ) from error

    def _prepare(self) -> None:
        version = self._value("PRAGMA user_version")
        application = self._value("PRAGMA application_id")
        fresh = (application, version) == (0, 0) and not self._value("SELECT 1 FROM sqlite_schema")
        if not fresh and application != APPLICATION_ID:
            raise StartError(
                f"catalog {self._path} is another program's database: choose another data directory"
            )
        if version not in range(len(FORMATS) + 1):
            raise StartError(
                f"catalog {self._path} has format version {version}, this engine reads"
                f" {len(FORMATS)}: start the engine's version that wrote it"
            )
        self._configure()
        if (verdict := self._value("PRAGMA integrity_check(1)")) != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        for number in range(int(str(version)), len(FORMATS)):
            self._db.executescript(
                f"BEGIN; {FORMATS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            )

    def _check(self) -> None:
        """Read everything once, so that nothing turns out unreadable later."""
        if self._db.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.DatabaseError("a row belongs to one that is not there")
        for row in self.collections():
            row.index.spec.values  # noqa: B018 - read for its error
        self.partitions()
        self.segments()

    def _configure(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        # A pod with a volume can write nowhere but there: it has no folder for temporary files.
        self._db.execute("PRAGMA temp_store = MEMORY")

    def _value(self, sql: str) -> object:
        row = self._db.execute(sql).fetchone()
        return row[0] if row else None

    def collections(self) -> list[CollectionRow]:
        rows = self._db.execute(
            "SELECT id, id_origin, name, dimension, index_file_size, metric,"
            " index_type, index_params, index_requested, index_covers, flushed"
            " FROM collections ORDER BY id"
        )
        return [
            CollectionRow(
                id_,
                Schema(name, dimension, size, Metric(metric)),
                origin and IdOrigin(origin),
                IndexState(IndexSpec(IndexType(type_), params), bool(requested), covers),
                flushed,
            )
            for (
                id_, origin, name, dimension, size, metric, type_, params, requested, covers,
                flushed,
            ) in rows
        ]  # fmt: skip

    def partitions(self) -> list[PartitionRow]:
        rows = self._db.execute("SELECT id, collection, tag FROM partitions ORDER BY id")
        return [PartitionRow(*row) for row in rows]

    def segments(self) -> list[SegmentRow]:
        rows = self._db.execute(
            "SELECT segments.id, partition, rows, indexes.id, bitmap FROM segments"
            " LEFT JOIN indexes ON indexes.segment = segments.id"
            " LEFT JOIN deletions ON deletions.segment = segments.id ORDER BY segments.id"
        )
        return [SegmentRow(*row) for row in rows]

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
            execute("INSERT INTO partitions VALUES (?, ?, ?)", (partition, default_tag, collection))
        return collection, partition

    def drop_collection(self, collection: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM collections WHERE id = ?", (collection,))

    def create_partition(self, collection: int, tag: str) -> int:
        with self._transaction() as execute:
            partition = _new_id(execute, "partition")
            execute("INSERT INTO partitions VALUES (?, ?, ?)", (partition, tag, collection))
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
                execute("INSERT OR REPLACE INTO deletions VALUES (?, ?)", (segment, bitmap))

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

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db.execute
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
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


def _new_id(execute: Callable[..., sqlite3.Cursor], kind: str) -> int:
    sql = "UPDATE last_ids SET id = id + 1 WHERE kind = ? RETURNING id"
    ((id_,),) = execute(sql, (kind,)).fetchall()
    return int(id_)


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
