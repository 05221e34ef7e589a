"""Opens a catalog: its format brought up to date, and everything in it read and verified."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from quiver_engine.errors import StartError
from quiver_engine.files import catalog_rows, catalog_sums
from quiver_engine.files.catalog_formats import APPLICATION_ID, FORMATS

_NOBODY_WRITES = nullcontext()
_PRIMARY_CODE = 0xFF
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Raise StartError for what keeps a catalog from being read."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        # ValueError: bytes that are no text, or a number that no enum has.
        why = " ".join(str(error).split())
        raise StartError(
            f"catalog {path} cannot be read: {why}; restore the data directory from a backup"
        ) from error


def prepare(db: sqlite3.Connection, path: Path) -> int:
    """Verify a catalog and bring it to the format of now; return which it had.

    Raises StartError for another program's database or a newer format, sqlite3.Error or ValueError
    for damage.
    """
    version, application = _value(db, "PRAGMA user_version"), _value(db, "PRAGMA application_id")
    is_fresh = (application, version) == (0, 0) and not _value(db, "SELECT 1 FROM sqlite_schema")
    if not is_fresh and application != APPLICATION_ID:
        raise StartError(
            f"catalog {path} is another program's database: choose another data directory"
        )
    if version not in range(len(FORMATS) + 1):
        raise StartError(
            f"catalog {path} has format version {version}, this engine reads"
            f" {len(FORMATS)}: start the engine's version that wrote it"
        )
    _check_structure(db)
    catalog_sums.add_function(db)
    for number in range(int(str(version)), len(FORMATS)):
        db.executescript(f"BEGIN; {FORMATS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    catalog_sums.keep(db)
    _check_values(db)
    return int(str(version))


def copy_of(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy in memory that takes the same changes."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.backup(copy)
    copy.execute("PRAGMA foreign_keys = ON")
    copy.execute("PRAGMA temp_store = MEMORY")
    catalog_sums.add_function(copy)
    catalog_sums.keep(copy)
    return copy


@contextmanager
def loaded(
    path: Path, lock: AbstractContextManager[object] = _NOBODY_WRITES
) -> Iterator[sqlite3.Connection]:
    """Read a whole catalog into memory, with the lock of its writers, and change no file.

    While it is read, the journal of one that this process has open cannot be emptied.
    """
    # Without a journal nothing but the file itself is looked at, so that no file is made either.
    has_journal = path.with_name(f"{path.name}-wal").exists()
    how = "mode=ro" if has_journal else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        with lock, closing(sqlite3.connect(uri, uri=True)) as db:
            db.backup(copy)
        yield copy


def damage(path: Path, lock: AbstractContextManager[object]) -> str | None:
    """Return what is wrong with the catalog on the disk, of which this process has another open."""
    try:
        with loaded(path, lock) as copy:
            _check_structure(copy)
            catalog_sums.add_function(copy)
            _check_values(copy)
    except ValueError as error:
        return str(error)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & _PRIMARY_CODE not in _DAMAGED:
            raise
        return " ".join(str(error).split())
    return None


def _check_structure(db: sqlite3.Connection) -> None:
    if (verdict := _value(db, "PRAGMA integrity_check(1)")) != "ok":
        raise sqlite3.DatabaseError(str(verdict))


def _check_values(db: sqlite3.Connection) -> None:
    """Read everything once, so that nothing turns out unreadable later."""
    if db.execute("PRAGMA foreign_key_check").fetchone():
        raise sqlite3.DatabaseError("a row belongs to one that is not there")
    if what := catalog_sums.wrong(db):
        raise sqlite3.DatabaseError(what)
    for row in catalog_rows.collections(db):
        row.index.spec.values  # noqa: B018 - read for its error
    catalog_rows.partitions(db)
    catalog_rows.segments(db)


def _value(db: sqlite3.Connection, sql: str) -> object:
    row = db.execute(sql).fetchone()
    return row[0] if row else None
