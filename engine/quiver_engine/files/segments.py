"""Raw segment files: written once, then memory-mapped and never changed.

A file is a header of 64 bytes, the ids (int64), and the vectors row by row (float32, or eight bits
a byte, as the catalog says), all little-endian. The header has a checksum of itself and one of
everything that follows it (CRC-32C).
"""

import errno
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from crc32c import crc32c

from quiver_engine.errors import DamagedSegment, StartError
from quiver_engine.files import durable, reading
from quiver_engine.files.deletions import Deletions
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.reading import Read
from quiver_engine.model import MIB, Ids, RowLayout, Vectors
from quiver_engine.system.memory import Memory, Resident

_MAGIC = b"QUIVRSEG"
_VERSION = 2
_WITHOUT_CRC32C = 1
_FIELDS = struct.Struct("<8sIIQI")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = 64
_CHUNK_BYTES = 8 * MIB
# Errors of a file that is missing, or that the disk cannot read any more.
_LOST = (errno.ENOENT, errno.EIO, errno.EBADMSG, errno.EUCLEAN)


class RowBlock(NamedTuple):
    """Rows on their way into a segment file: ids of shape (n,) and vectors of shape (n, width).

    `chosen` has the numbers of the rows that count, None where all n do. Writing copies them out a
    chunk at a time.
    """

    ids: Ids
    vectors: Vectors
    chosen: Ids | None = None

    @property
    def rows(self) -> int:
        return len(self.ids if self.chosen is None else self.chosen)

    def between(self, start: int, end: int) -> "RowBlock":
        if self.chosen is None:
            return RowBlock(self.ids[start:end], self.vectors[start:end])
        return self._replace(chosen=self.chosen[start:end])


@dataclass(frozen=True, eq=False)
class Segment:
    """The rows of a segment file, memory-mapped: ids (int64) of shape (n,), vectors (n, width).

    Brute-force searches read the vectors through `raw`, which counts them as memory.
    """

    id: int
    path: Path
    content: mmap.mmap = field(repr=False)
    ids: Ids
    vectors: Vectors
    raw: Resident[Vectors]
    index: IndexFile | None = None
    deletions: Deletions | None = None

    def evict(self) -> None:
        """Take rows and index out of memory; the next search reads the files again."""
        self.raw.evict()
        if self.index is not None:
            self.index.loaded.evict()

    @property
    def deleted(self) -> int:
        return self.deletions.count if self.deletions else 0

    @property
    def living(self) -> int:
        """Rows that are not deleted."""
        return self.rows - self.deleted

    @property
    def living_block(self) -> RowBlock:
        """The rows that are not deleted."""
        return RowBlock(self.ids, self.vectors, self.deletions.living if self.deletions else None)

    @property
    def rows(self) -> int:
        return len(self.ids)

    @property
    def is_binary(self) -> bool:
        return self.vectors.dtype == np.uint8

    @property
    def layout(self) -> RowLayout:
        return RowLayout(self.vectors.dtype, self.vectors.shape[1])

    @property
    def file_bytes(self) -> int:
        return _HEADER_BYTES + self.ids.nbytes + self.vectors.nbytes

    @property
    def disk_bytes(self) -> int:
        return self.file_bytes + (self.index.disk_bytes if self.index else 0)


def moved(segment: Segment, fresh: Segment) -> Segment:
    """Return the segment with its rows mapped from another file, which has the same content."""
    return replace(fresh, index=segment.index, deletions=segment.deletions)


def with_index(segment: Segment, index: IndexFile | None) -> Segment:
    return replace(segment, index=index)


def with_deletions(segment: Segment, deletions: Deletions) -> Segment:
    return replace(segment, deletions=deletions)


def cut(blocks: Iterable[RowBlock], sealed_rows: int) -> list[list[RowBlock]]:
    """Divide rows among segments: full ones of `sealed_rows` rows, and a last one with the rest."""
    groups: list[list[RowBlock]] = []
    room = 0
    for block in blocks:
        start = 0
        while start < block.rows:
            if not room:
                groups.append([])
                room = sealed_rows
            end = min(block.rows, start + room)
            groups[-1].append(block.between(start, end))
            room -= end - start
            start = end
    return groups


def write(path: Path, blocks: Sequence[RowBlock]) -> None:
    """Write and sync a segment file, with at most one chunk of it in memory."""
    rows = sum(block.rows for block in blocks)
    with path.open("wb") as file:
        file.write(bytes(_HEADER_BYTES))
        checksum = 0
        for chunk in _payload(blocks):
            checksum = crc32c(chunk, checksum)
            file.write(chunk)
        file.seek(0)
        file.write(_header(layout_of(blocks).dimension, rows, checksum))
        file.flush()
        durable.sync_file(file.fileno())


def layout_of(blocks: Sequence[RowBlock]) -> RowLayout:
    vectors = blocks[0].vectors
    return RowLayout(vectors.dtype, vectors.shape[1])


def load(path: Path, segment_id: int, *, layout: RowLayout, rows: int, memory: Memory) -> Segment:
    """Map a segment file, after checking its size and header against the catalog.

    Raises DamagedSegment, or StartError for a file that this engine cannot read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            expected = _HEADER_BYTES + rows * (8 + layout.bytes)
            if size != expected:
                raise _wrong_size(path, size, expected)
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except OSError as error:
        raise _unreadable(path, error) from error
    _read_header(path, mapped[:_HEADER_BYTES], layout.dimension, rows)
    ids = np.frombuffer(mapped, "<i8", rows, _HEADER_BYTES)
    vectors = np.frombuffer(mapped, layout.dtype, rows * layout.width, _HEADER_BYTES + ids.nbytes)
    shaped = vectors.reshape(rows, layout.width)
    return Segment(segment_id, path, mapped, ids, shaped, _resident(mapped, shaped, memory))


def _resident(mapped: mmap.mmap, vectors: Vectors, memory: Memory) -> Resident[Vectors]:
    def read_ahead() -> Vectors:
        mapped.madvise(mmap.MADV_WILLNEED)
        return vectors

    def unload() -> None:
        mapped.madvise(mmap.MADV_DONTNEED)

    return Resident(memory, f"a segment of {len(vectors)} rows", len(mapped), read_ahead, unload)


def verify(
    segment: Segment,
    on_chunk: Callable[[int], object] = lambda _: None,
    read: Read = reading.through_cache,
) -> None:
    """Read a whole segment file and compare its size, header and checksum; raises as `load` does.

    `on_chunk` gets the number of bytes read.
    """
    try:
        found = reading.summed(segment.path, _HEADER_BYTES, read, on_chunk)
    except OSError as error:
        raise _unreadable(segment.path, error) from error
    if found.size != segment.file_bytes:
        raise _wrong_size(segment.path, found.size, segment.file_bytes)
    expected = _read_header(segment.path, found.header, segment.layout.dimension, segment.rows)
    if found.checksum != expected:
        raise DamagedSegment(segment.path, "its content does not match its checksum")


def copy(segment: Segment, path: Path) -> None:
    """Write what is mapped of a segment to a new file and sync it; raises OSError.

    The kernel copies it, so that a part that the disk cannot read is an error and not the end of
    the process. Whether the copy is sound, `verify` tells.
    """
    content = memoryview(segment.content)
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(content), _CHUNK_BYTES):
            rest = content[start : start + _CHUNK_BYTES]
            while rest:
                rest = rest[os.write(file.fileno(), rest) :]
        durable.sync_file(file.fileno())


def _wrong_size(path: Path, size: int, expected: int) -> DamagedSegment:
    return DamagedSegment(path, f"it has {size} bytes, {expected} are expected")


def _unreadable(path: Path, error: OSError) -> Exception:
    why = error.strerror or str(error)
    if error.errno in _LOST:
        return DamagedSegment(path, why)
    return StartError(f"segment file {path} cannot be read: {why}; see to that and start again")


def _payload(blocks: Sequence[RowBlock]) -> Iterator[memoryview]:
    for block in blocks:
        yield from _chunks(block.ids, block.chosen)
    for block in blocks:
        yield from _chunks(block.vectors, block.chosen)


def _chunks(array: Ids | Vectors, chosen: Ids | None) -> Iterator[memoryview]:
    step = max(1, _CHUNK_BYTES // (array.nbytes // len(array)))
    for start in range(0, len(array) if chosen is None else len(chosen), step):
        some = slice(start, start + step)
        rows = array[some] if chosen is None else array.take(chosen[some], axis=0)
        yield np.ascontiguousarray(rows).data.cast("B")


def _header(dimension: int, rows: int, checksum: int) -> bytes:
    fields = _FIELDS.pack(_MAGIC, _VERSION, dimension, rows, checksum)
    return (fields + _CHECKSUM.pack(crc32c(fields))).ljust(_HEADER_BYTES, b"\0")


def _read_header(path: Path, header: bytes, dimension: int, rows: int) -> int:
    """Return the checksum of what follows."""
    magic, version, found_dimension, found_rows, of_content = _FIELDS.unpack_from(header)
    (checksum,) = _CHECKSUM.unpack_from(header, _FIELDS.size)
    is_sound = version == _WITHOUT_CRC32C or checksum == crc32c(header[: _FIELDS.size])
    if magic != _MAGIC or not is_sound:
        raise DamagedSegment(path, "its header is not a segment's")
    if version != _VERSION:
        raise StartError(
            f"segment file {path} has format version {version}, this engine reads {_VERSION}:"
            " start the engine's version that wrote it"
        )
    if (found_dimension, found_rows) != (dimension, rows):
        why = f"its header tells of {found_rows} rows of dimension {found_dimension}"
        raise DamagedSegment(path, why)
    return int(of_content)
