"""A collection in memory: its partitions, their segments, and the rows that are not flushed yet."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quiver_engine.errors import no_partition
from quiver_engine.files import deletions
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.segments import RowBlock, Segment
from quiver_engine.model import (
    DEFAULT_TAG,
    MIN_INDEXED_ROWS,
    TAG_BLANKS,
    IdOrigin,
    Ids,
    IndexState,
    IndexType,
    Schema,
    Vectors,
)

# A deletion looks through each block by itself, and each insert may have made one.
_BLOCKS_PER_DELETE = 64
_LARGE_BLOCK_BYTES = 1 << 16


@dataclass
class Buffer:
    """Rows in the order of their inserts, and ids to delete from segments at the next flush."""

    blocks: list[RowBlock] = field(default_factory=list)
    deleted: list[Ids] = field(default_factory=list)
    bytes: int = 0

    def append(self, ids: Ids, vectors: Vectors) -> None:
        self.blocks.append(RowBlock(ids, vectors))
        self.bytes += ids.nbytes + vectors.nbytes

    def delete(self, ids: Ids) -> None:
        """Delete the rows with these ids here, and note the ids for rows in segments."""
        if len(self.blocks) > _BLOCKS_PER_DELETE:
            self.blocks = [self.joined()]
        self.blocks = _without(self.blocks, ids)
        self.deleted.append(ids)
        self._count()

    def _count(self) -> None:
        self.bytes = sum(ids.nbytes for ids in self.deleted)
        self.bytes += sum(block.ids.nbytes + block.vectors.nbytes for block in self.blocks)

    def joined(self) -> RowBlock:
        """Return all rows as one block."""
        if len(self.blocks) == 1:
            return self.blocks[0]
        ids, vectors, _ = zip(*self.blocks, strict=True)
        return RowBlock(np.concatenate(ids), np.concatenate(vectors))

    def written(self) -> list[RowBlock]:
        """Return all rows in the blocks to write: one joined block where they are small."""
        is_joined = self.bytes < len(self.blocks) * _LARGE_BLOCK_BYTES
        return [self.joined()] if is_joined else self.blocks

    def prepend(self, earlier: "Buffer") -> None:
        for ids in self.deleted:
            earlier.blocks = _without(earlier.blocks, ids)
        self.blocks = earlier.blocks + self.blocks
        self.deleted = earlier.deleted + self.deleted
        self._count()


def _without(blocks: list[RowBlock], deleted: Ids) -> list[RowBlock]:
    kept = [(block, ~deletions.hit(block.ids, deleted)) for block in blocks]
    return [
        block if keep.all() else RowBlock(block.ids[keep], block.vectors[keep])
        for block, keep in kept
        if keep.any()
    ]


@dataclass(eq=False)
class Partition:
    """`segments` is a tuple that is replaced as a whole, so that searches need no lock."""

    id: int
    tag: str
    segments: tuple[Segment, ...] = ()
    damaged: tuple[Path, ...] = ()
    """Segment files that were found damaged. They stay on disk and in the catalog, unused."""
    buffer: Buffer = field(default_factory=Buffer)
    dropped: bool = False

    def now(self, segment: Segment) -> Segment | None:
        """Return a segment as it is now; None if it is no longer part of a collection."""
        if self.dropped:
            return None
        return next((s for s in self.segments if s.id == segment.id), None)

    def has(self, segment: Segment, index: IndexFile | None = None) -> bool:
        """Return whether a segment, with this index if one is given, is still searched."""
        found = self.now(segment)
        return found is not None and (index is None or found.index is index)

    def replace(self, changed: Segment) -> None:
        """Put this segment in the place of the one with the same number."""
        self.segments = tuple(changed if s.id == changed.id else s for s in self.segments)


@dataclass(frozen=True)
class Taken:
    """Buffers taken out of partitions for a flush, and the last log record in them."""

    buffers: list[tuple[Partition, Buffer]]
    logged: int


@dataclass(frozen=True)
class IndexFailure:
    """Why an index could not be built, and when (monotonic clock) it is tried again."""

    why: str
    retry_at: float
    is_disk_full: bool = False


class Collection:
    """A collection with its locks.

    `lock` guards the buffers, `id_origin` and `logged`. Flushes hold `flush_lock`, merges
    `merge_lock`, so that each takes turns.
    """

    def __init__(
        self,
        id_: int,
        schema: Schema,
        id_origin: IdOrigin | None = None,
        index: IndexState | None = None,
        logged: int = 0,
    ) -> None:
        self.id = id_
        self.schema = schema
        self.id_origin = id_origin
        self.index = index or IndexState()
        self.logged = logged
        """Number of the last record of the insert log that is in a segment or a buffer."""
        self.index_failure: IndexFailure | None = None
        self.dropped = False
        self.partitions: dict[str, Partition] = {}
        self.lock = threading.Lock()
        self.flush_lock = threading.Lock()
        self.merge_lock = threading.Lock()

    def partition(self, tag: str) -> Partition:
        """Return a partition; raises RequestError UNEXPECTED_ERROR for a tag that none has."""
        try:
            return self.partitions[self.tag(tag)]
        except KeyError:
            raise no_partition(self.schema.name, tag) from None

    def tag(self, given: str) -> str:
        """Return the tag that is meant, without the blanks around it.

        A partition that has blanks there is found by its whole tag: earlier versions made such.
        """
        return given if given in self.partitions else given.strip(TAG_BLANKS)

    @property
    def tags(self) -> list[str]:
        """The partitions' tags, `_default` first."""
        return sorted(self.partitions, key=lambda tag: tag != DEFAULT_TAG)

    @property
    def segments(self) -> list[Segment]:
        return [s for partition in list(self.partitions.values()) for s in partition.segments]

    @property
    def damaged(self) -> list[Path]:
        """Segment files that are damaged and left out."""
        return [path for partition in list(self.partitions.values()) for path in partition.damaged]

    def indexed(self) -> Iterator[tuple[Partition, Segment, IndexFile]]:
        """Yield the segments that have an index."""
        for partition in list(self.partitions.values()):
            for segment in partition.segments:
                if segment.index is not None:
                    yield partition, segment, segment.index

    def is_due(self, segment: Segment) -> bool:
        """Return whether a segment is to get an index and has none yet."""
        index = self.index
        return (
            index.spec.type is not IndexType.FLAT
            and segment.index is None
            and segment.rows >= MIN_INDEXED_ROWS
            and (segment.rows >= self.schema.sealed_rows or segment.id <= index.covers)
        )

    @property
    def due(self) -> list[tuple[Partition, Segment]]:
        """The segments that are to get an index and have none yet."""
        return [
            (partition, segment)
            for partition in list(self.partitions.values())
            for segment in partition.segments
            if self.is_due(segment)
        ]

    @property
    def rows(self) -> int:
        """Rows that searches see."""
        return sum(segment.living for segment in self.segments)

    @property
    def buffered_bytes(self) -> int:
        return sum(partition.buffer.bytes for partition in list(self.partitions.values()))

    def take_buffers(self) -> Taken:
        """Take all buffers with rows or deletions out of the partitions, and put in empty ones."""
        with self.lock:
            taken = [(p, p.buffer) for p in self.partitions.values() if p.buffer.bytes]
            for partition, _ in taken:
                partition.buffer = Buffer()
            return Taken(taken, self.logged)

    def give_back(self, taken: Taken) -> None:
        """Put back rows that could not be flushed, before those that were inserted since."""
        with self.lock:
            for partition, buffer in taken.buffers:
                partition.buffer.prepend(buffer)
