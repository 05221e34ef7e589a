"""A live collection: its partitions, their segments, and the rows not flushed yet."""

import threading
from dataclasses import dataclass, field

import numpy as np

from quiver_engine.errors import no_partition
from quiver_engine.model import DEFAULT_TAG, Floats, IdOrigin, Ids, Schema
from quiver_engine.segments import Part, Segment


@dataclass
class Buffer:
    """Rows in the order of their inserts."""

    parts: list[Part] = field(default_factory=list)
    bytes: int = 0

    def append(self, ids: Ids, vectors: Floats) -> None:
        self.parts.append((ids, vectors))
        self.bytes += ids.nbytes + vectors.nbytes

    def joined(self) -> Part:
        """Return all rows as one part."""
        if len(self.parts) == 1:
            return self.parts[0]
        ids, vectors = zip(*self.parts, strict=True)
        return np.concatenate(ids), np.concatenate(vectors)

    def prepend(self, earlier: "Buffer") -> None:
        self.parts = earlier.parts + self.parts
        self.bytes += earlier.bytes


@dataclass(eq=False)
class Partition:
    """Segments are a tuple that is swapped whole, so that a search reads it without a lock."""

    id: int
    tag: str
    segments: tuple[Segment, ...] = ()
    buffer: Buffer = field(default_factory=Buffer)
    dropped: bool = False


Taken = list[tuple[Partition, Buffer]]
"""Buffers taken out of partitions, to be flushed."""


class Collection:
    """`lock` guards the buffers and `id_origin`; `flush_lock` makes flushes take turns."""

    def __init__(self, id_: int, schema: Schema, id_origin: IdOrigin | None = None) -> None:
        self.id = id_
        self.schema = schema
        self.id_origin = id_origin
        self.partitions: dict[str, Partition] = {}
        self.lock = threading.Lock()
        self.flush_lock = threading.Lock()

    def partition(self, tag: str) -> Partition:
        """Return a partition; raises RequestError 1 when there is none of that tag."""
        try:
            return self.partitions[tag]
        except KeyError:
            raise no_partition(self.schema.name, tag) from None

    @property
    def tags(self) -> list[str]:
        """The partitions' tags, `_default` first."""
        return sorted(self.partitions, key=lambda tag: tag != DEFAULT_TAG)

    @property
    def segments(self) -> list[Segment]:
        return [s for partition in list(self.partitions.values()) for s in partition.segments]

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    @property
    def buffered_bytes(self) -> int:
        return sum(partition.buffer.bytes for partition in list(self.partitions.values()))

    def take_buffers(self) -> Taken:
        """Take the rows that are not flushed yet out of the buffers."""
        with self.lock:
            taken = [(p, p.buffer) for p in self.partitions.values() if p.buffer.parts]
            for partition, _ in taken:
                partition.buffer = Buffer()
        return taken

    def give_back(self, taken: Taken) -> None:
        """Put rows back that could not be flushed, before those that came since."""
        with self.lock:
            for partition, buffer in taken:
                partition.buffer.prepend(buffer)
