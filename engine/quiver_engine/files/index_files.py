"""Index files: one for a segment, written once, read into memory when a search needs it.

A file is a header of 64 bytes and what FAISS writes. The header has a checksum of itself and one of
everything that follows it (CRC-32C). An index can be built again from its segment, so damage costs
time, not data.
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
from crc32c import crc32c

from quiver_engine.errors import DamagedIndex
from quiver_engine.files import durable, reading
from quiver_engine.files.reading import Read
from quiver_engine.model import MIB, IndexSpec
from quiver_engine.system.memory import Memory, Resident

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_MAGIC = b"QUIVRIDX"
_MAGIC_OF_BITS = b"QUIVRBIX"
_VERSION = 2
_FIELDS = struct.Struct("<8sIQQI")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = 64


@dataclass(frozen=True, eq=False)
class IndexFile:
    """An index on disk; `loaded` is FAISS's index while memory holds it."""

    id: int
    path: Path
    spec: IndexSpec
    disk_bytes: int
    loaded: Resident[faiss.Index | faiss.IndexBinary] = field(repr=False)


def write(path: Path, index: faiss.Index | faiss.IndexBinary) -> None:
    """Write and sync an index file, without a second copy of the index in memory."""
    checksum = 0
    with path.open("wb") as file:
        file.write(bytes(_HEADER_BYTES))

        def sink(chunk: bytes) -> None:
            nonlocal checksum
            checksum = crc32c(chunk, checksum)
            file.write(chunk)

        writer = _FAISS.PyCallbackIOWriter(sink, MIB)
        if isinstance(index, faiss.IndexBinary):
            magic = _MAGIC_OF_BITS
            _FAISS.write_index_binary(index, writer)
        else:
            magic = _MAGIC
            faiss.write_index(index, writer)
        payload = file.tell() - _HEADER_BYTES
        file.seek(0)
        fields = _FIELDS.pack(magic, _VERSION, index.ntotal, payload, checksum)
        file.write((fields + _CHECKSUM.pack(crc32c(fields))).ljust(_HEADER_BYTES, b"\0"))
        file.flush()
        durable.sync_file(file.fileno())


def load(
    path: Path,
    index_id: int,
    spec: IndexSpec,
    rows: int,
    *,
    memory: Memory,
    on_damage: Callable[[str], None],
) -> IndexFile:
    """Map an index file and check its header and size; raises DamagedIndex.

    Damage that is found later, when the index is read, goes to `on_damage`.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise DamagedIndex(path, str(error)) from error
    checksum = _read_header(path, mapped[:_HEADER_BYTES], len(mapped), rows)

    def read() -> faiss.Index | faiss.IndexBinary:
        try:
            return _read(path, mapped, checksum)
        except DamagedIndex as error:
            on_damage(str(error))
            raise

    name = f"the {spec.type.name} index of a segment of {rows} rows"
    loaded = Resident(memory, name, len(mapped), read)
    return IndexFile(index_id, path, spec, len(mapped), loaded)


def verify(
    path: Path,
    rows: int,
    on_chunk: Callable[[int], object] = lambda _: None,
    read: Read = reading.through_cache,
) -> None:
    """Read a whole index file and compare its header and checksum; raises DamagedIndex.

    `rows` is how many its segment has; `on_chunk` gets the number of bytes read.
    """
    try:
        found = reading.summed(path, _HEADER_BYTES, read, on_chunk)
    except OSError as error:
        raise DamagedIndex(path, error.strerror or str(error)) from error
    if found.checksum != _read_header(path, found.header, found.size, rows):
        raise _other_content(path)


def _read_header(path: Path, header: bytes, size: int, rows: int) -> int:
    """Return the checksum of what follows."""
    if size < _HEADER_BYTES:
        raise DamagedIndex(path, f"it has {size} bytes only")
    magic, version, found_rows, payload, checksum = _FIELDS.unpack_from(header)
    (of_header,) = _CHECKSUM.unpack_from(header, _FIELDS.size)
    if magic not in (_MAGIC, _MAGIC_OF_BITS) or of_header != crc32c(header[: _FIELDS.size]):
        raise DamagedIndex(path, "its header is not an index file's")
    if version != _VERSION:
        raise DamagedIndex(path, f"its format version is {version}, this engine reads {_VERSION}")
    if (found_rows, payload) != (rows, size - _HEADER_BYTES):
        raise DamagedIndex(path, "its size or its rows are not what its header or segment says")
    return int(checksum)


def _other_content(path: Path) -> DamagedIndex:
    return DamagedIndex(path, "its content does not match its checksum")


def _read(path: Path, mapped: mmap.mmap, checksum: int) -> faiss.Index | faiss.IndexBinary:
    # The checksum comes before FAISS, which trusts the sizes that it reads.
    found, content = 0, memoryview(mapped)
    for start in range(_HEADER_BYTES, len(content), MIB):
        found = crc32c(content[start : start + MIB], found)
    if found != checksum:
        raise _other_content(path)
    place = _HEADER_BYTES

    def source(size: int) -> bytes:
        nonlocal place
        chunk = mapped[place : place + size]
        place += len(chunk)
        return chunk

    reader = _FAISS.PyCallbackIOReader(source, MIB)
    if mapped[: len(_MAGIC)] == _MAGIC_OF_BITS:
        of_bits: faiss.IndexBinary = _FAISS.read_index_binary(reader)
        return of_bits
    return faiss.read_index(reader)
