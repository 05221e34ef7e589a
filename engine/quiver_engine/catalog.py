"""The catalog: what collections, partitions and segments there are, in SQLite.

Write-ahead journal with synchronous=FULL: every commit is on disk before it returns, and a torn
one is undone at the next open. The store calls from one thread at a time.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quiver_engine.errors import DiskFailedError, RequestError, StartError
from quiver_engine.model import IdOrigin, Metric, Schema
from quiver_proto import milvus_pb2 as pb

_APPLICATION_ID = 0x51565231
_FORMAT_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE collections (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL,
    index_file_size INTEGER NOT NULL, metric INTEGER NOT NULL, id_origin TEXT
) STRICT;
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY, tag TEXT NOT NULL,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    UNIQUE (collection, tag)
) STRICT;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, rows INTEGER NOT NULL,
    partition INTEGER NOT NULL REFERENCES partitions ON DELETE CASCADE
) STRICT;
CREATE INDEX segments_of_partition ON segments (partition);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT_VERSION};
COMMIT;
"""


@dataclass(frozen=True)
class CollectionRow:
    id: int
    schema: Schema
    id_origin: IdOrigin | None


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


class Catalog:
    """An open catalog; every method that changes it is durable when it returns.

    Changes raise RequestError when the disk is full and DiskFailedError when it fails.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the catalog; raises StartError when it cannot be used."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except sqlite3.Error as error:
            raise StartError(
                f"catalog {path} cannot be read: {error}; restore the data directory from a backup"
            ) from error

    def _prepare(self) -> None:
        version = self._value("PRAGMA user_version")
        application = self._value("PRAGMA application_id")
        if (application, version) == (0, 0) and not self._value("SELECT 1 FROM sqlite_schema"):
            self._configure()
            self._db.executescript(_SCHEMA)
            return
        if application != _APPLICATION_ID:
            raise StartError(
                f"catalog {self._path} is another program's database: choose another data directory"
            )
        if version != _FORMAT_VERSION:
            raise StartError(
                f"catalog {self._path} has format version {version}, this engine reads"
                f" {_FORMAT_VERSION}: start the engine's version that wrote it"
            )
        self._configure()
        if (verdict := self._value("PRAGMA quick_check(1)")) != "ok":
            raise sqlite3.DatabaseError(str(verdict))

    def _configure(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")

    def _value(self, sql: str) -> object:
        row = self._db.execute(sql).fetchone()
        return row[0] if row else None

    def collections(self) -> list[CollectionRow]:
        rows = self._db.execute(
            "SELECT id, name, dimension, index_file_size, metric, id_origin FROM collections"
            " ORDER BY id"
        )
        return [
            CollectionRow(
                id_, Schema(name, dimension, size, Metric(metric)), origin and IdOrigin(origin)
            )
            for id_, name, dimension, size, metric, origin in rows
        ]

    def partitions(self) -> list[PartitionRow]:
        rows = self._db.execute("SELECT id, collection, tag FROM partitions ORDER BY id")
        return [PartitionRow(*row) for row in rows]

    def segments(self) -> list[SegmentRow]:
        rows = self._db.execute("SELECT id, partition, rows FROM segments ORDER BY id")
        return [SegmentRow(*row) for row in rows]

    def create_collection(self, schema: Schema, default_tag: str) -> tuple[int, int]:
        """Add a collection with its default partition; return the ids of both."""
        with self._transaction() as execute:
            collection = execute(
                "INSERT INTO collections (name, dimension, index_file_size, metric)"
                " VALUES (?, ?, ?, ?)",
                (schema.name, schema.dimension, schema.index_file_size, int(schema.metric)),
            ).lastrowid
            partition = execute(
                "INSERT INTO partitions (collection, tag) VALUES (?, ?)", (collection, default_tag)
            ).lastrowid
        return int(collection or 0), int(partition or 0)

    def drop_collection(self, collection: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM collections WHERE id = ?", (collection,))

    def create_partition(self, collection: int, tag: str) -> int:
        with self._transaction() as execute:
            cursor = execute(
                "INSERT INTO partitions (collection, tag) VALUES (?, ?)", (collection, tag)
            )
        return int(cursor.lastrowid or 0)

    def drop_partition(self, partition: int) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM partitions WHERE id = ?", (partition,))

    def publish(
        self,
        added: Iterable[SegmentRow],
        removed: Iterable[int],
        origins: Mapping[int, IdOrigin],
    ) -> None:
        """Make new segments count, old ones not, and settle id origins, all at once."""
        with self._transaction() as execute:
            for collection, origin in origins.items():
                execute(
                    "UPDATE collections SET id_origin = ? WHERE id = ?", (origin.value, collection)
                )
            for segment in removed:
                execute("DELETE FROM segments WHERE id = ?", (segment,))
            for row in added:
                execute(
                    "INSERT INTO segments (id, partition, rows) VALUES (?, ?, ?)",
                    (row.id, row.partition, row.rows),
                )

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
            raise _failure(error) from error


def _failure(error: sqlite3.Error) -> Exception:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return RequestError(pb.UNEXPECTED_ERROR, "the disk is full: free space and try again")
    return DiskFailedError(f"the catalog could not be written: {error}")
