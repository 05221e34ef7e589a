"""Encodes and decodes records of the insert log.

A file begins with a header. A record is a mark, a checksum (CRC-32C) of everything after it, the
fields below, ids (int64) and vectors (float32, or eight bits a byte), all little-endian.
"""

import logging
import mmap
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from crc32c import crc32c

from quiver_engine.errors import StartError
from quiver_engine.model import Ids, Vectors

logger = logging.getLogger(__name__)

_MAGIC = b"QUIVRLOG"
_VERSION = 2
FILE_HEADER = struct.pack("<8sII", _MAGIC, _VERSION, 0)
_MARK = b"\xf1rec"
_START = struct.Struct("<4sI")
_FIELDS = struct.Struct("<QQQIII")
_HAS_BITS = 1 << 8
"""Set in a record's kind if its vectors are bits."""
_BEFORE_PAYLOAD = _START.size + _FIELDS.size


OnDamage = Callable[[Path, int, int], object]


class Kind(IntEnum):
    """Whether a record inserts rows, and who gave their ids, or deletes them."""

    USER_IDS = 1
    AUTOMATIC_IDS = 2
    DELETE = 3


@dataclass(frozen=True)
class Record:
    """Rows inserted into a partition, or ids deleted from it (from all if `partition` is 0).

    `ids` has shape (n,), `vectors` (n, width); of a deletion, (n, 0).
    """

    kind: Kind
    collection: int
    partition: int
    ids: Ids
    vectors: Vectors
    sequence: int = 0
    end: int = 0
    """The position in its file, in bytes, at which it ends."""


def encode(record: Record, sequence: int) -> list[memoryview]:
    """Return the record's bytes in chunks."""
    ids = np.ascontiguousarray(record.ids, "<i8")
    is_binary = record.vectors.dtype == np.uint8
    vectors = np.ascontiguousarray(record.vectors, "u1" if is_binary else "<f4")
    kind = record.kind | (_HAS_BITS if is_binary else 0)
    rows, width = len(ids), record.vectors.shape[1]
    fields = _FIELDS.pack(sequence, record.collection, record.partition, kind, rows, width)
    chunks = [memoryview(fields)]
    chunks += [array.data.cast("B") for array in (ids, vectors) if array.nbytes]
    checksum = 0
    for chunk in chunks:
        checksum = crc32c(chunk, checksum)
    return [memoryview(_START.pack(_MARK, checksum)), *chunks]


def files(directory: Path) -> list[Path]:
    """Return a log's files, the oldest first."""
    found = (path for path in directory.glob("*.log") if path.stem.isdecimal())
    return sorted(found, key=lambda path: int(path.stem))


def keep_copy(path: Path, start: int, end: int) -> None:
    """Say in the log where a file is damaged, and copy it."""
    aside = path.with_name(f"{path.name}.damaged")
    shutil.copyfile(path, aside)
    logger.error("%s; %s is a copy of it", damage(path, start, end), aside)


def damage(path: Path, start: int, end: int) -> str:
    return (
        f"log file {path} is damaged from byte {start} to {end}: the rows or deletions written"
        " there are lost, all others are read"
    )


def read(path: Path, *, is_last: bool, on_damage: OnDamage = keep_copy) -> Iterator[Record]:
    """Yield a file's records.

    Bytes that are no record, at the end of the last file, are a record that a crash cut off.
    Anywhere else they are damage: the records after it are read, and `on_damage` gets the file and
    the numbers of the first byte that is damaged and of the first one after it.
    """
    size = path.stat().st_size
    if size < len(FILE_HEADER):
        # A crash before the file's first record.
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        _check_header(path, content[: len(FILE_HEADER)])
        yield from _records(path, content, on_damage, is_last=is_last)


def _check_header(path: Path, header: bytes) -> None:
    magic, version, _ = struct.unpack("<8sII", header)
    if magic != _MAGIC:
        raise StartError(
            f"log file {path} is damaged: its header is not a log's; restore the data directory"
            " from a backup, or move the file away to start without its rows"
        )
    if version != _VERSION:
        raise StartError(
            f"log file {path} has format version {version}, this engine reads {_VERSION}:"
            " start the engine's version that wrote it"
        )


def _records(
    path: Path, content: mmap.mmap, on_damage: OnDamage, *, is_last: bool
) -> Iterator[Record]:
    place, damaged_at = len(FILE_HEADER), None
    while place < len(content):
        found = _decode(content, place)
        if found is None:
            damaged_at = place if damaged_at is None else damaged_at
            place = content.find(_MARK, place + 1)
            if place < 0:
                break
            continue
        if damaged_at is not None:
            on_damage(path, damaged_at, place)
            damaged_at = None
        record, place = found
        yield record
    if damaged_at is not None and is_last:
        logger.info("%s: a record that was never answered for is cut off at its end", path)
    elif damaged_at is not None:
        on_damage(path, damaged_at, len(content))


def _decode(content: mmap.mmap, place: int) -> tuple[Record, int] | None:
    if place + _BEFORE_PAYLOAD > len(content):
        return None
    mark, checksum = _START.unpack_from(content, place)
    sequence, collection, partition, kind, rows, width = _FIELDS.unpack_from(
        content, place + _START.size
    )
    ids_at = place + _BEFORE_PAYLOAD
    vectors_at = ids_at + 8 * rows
    dtype: np.dtype[np.float32 | np.uint8] = np.dtype("u1" if kind & _HAS_BITS else "<f4")
    end = vectors_at + dtype.itemsize * rows * width
    if mark != _MARK or end > len(content):
        return None
    body = content[place + _START.size : end]
    if crc32c(body) != checksum:
        return None
    ids = np.frombuffer(body, "<i8", rows, _FIELDS.size)
    vectors = np.frombuffer(body, dtype, rows * width, _FIELDS.size + 8 * rows)
    shaped = vectors.reshape(rows, width)
    return Record(Kind(kind & ~_HAS_BITS), collection, partition, ids, shaped, sequence, end), end
