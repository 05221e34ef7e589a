"""Checksums of the catalog's rows: SQLite has none for the values in it.

Each row has the CRC-32C of its values in the column `sum`. Triggers keep it. They add what a change
adds, rather than count anew, so that a row whose values were damaged before does not pass for sound
after a change of others.
"""

import sqlite3
from collections.abc import Sequence

from crc32c import crc32c

_COLUMNS = {
    "collections": "id name dimension index_file_size metric id_origin index_type index_params"
    " index_requested index_covers flushed",
    "partitions": "id tag collection",
    "segments": "id rows partition",
    "indexes": "id segment",
    "deletions": "segment bitmap",
    "last_ids": "kind id",
}


class Sum:
    """The sum of a table's row as SQL; `key` is the column that tells rows apart."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.key = columns[0]
        self.columns = columns

    def __call__(self, row: str = "") -> str:
        """`row` is empty, `NEW.` or `OLD.`."""
        return f"row_sum({', '.join(row + column for column in self.columns)})"


TABLES = {table: Sum(columns.split()) for table, columns in _COLUMNS.items()}


def add_function(db: sqlite3.Connection) -> None:
    db.create_function("row_sum", -1, _sum, deterministic=True)


def keep(db: sqlite3.Connection) -> None:
    """Keep the sums of what this connection writes."""
    # The triggers are temporary: in the database itself their text could be damaged.
    for table, of in TABLES.items():
        db.executescript(
            f"CREATE TEMP TRIGGER {table}_added AFTER INSERT ON main.{table} BEGIN"  # noqa: S608 - ours
            f" UPDATE {table} SET sum = {of('NEW.')} WHERE {of.key} = NEW.{of.key}; END;"
            f"CREATE TEMP TRIGGER {table}_changed"
            f" AFTER UPDATE OF {', '.join(of.columns)} ON main.{table} BEGIN"
            f" UPDATE {table} SET sum = OLD.sum - {of('OLD.')} + {of('NEW.')}"
            f" WHERE {of.key} = NEW.{of.key}; END;"
        )


def wrong(db: sqlite3.Connection) -> str | None:
    """Name a row whose values are not those that were written."""
    for table, of in TABLES.items():
        sql = f"SELECT {of.key} FROM {table} WHERE sum IS NOT {of()} LIMIT 1"  # noqa: S608 - ours
        for (key,) in db.execute(sql).fetchall():
            return f"row {str(key)[:50]!r} of its table {table} does not match its checksum"
    return None


def _sum(*values: bytes | str | float | None) -> int:
    checksum = 0
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode()
        checksum = crc32c(data, crc32c(b"%d," % len(data), checksum))
    return checksum
