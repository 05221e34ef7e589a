"""What ShowCollectionInfo says about segments, and how far an index is built by that."""

from array import array
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from quiver.adapters.milvus1.indexes import read
from quiver.domain.collection_schemas import IndexProgress

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

UNINDEXED = ("IDMAP", "BIN_IDMAP")
SMALLEST_INDEXED = 4096
"""Rows. Segments with fewer get no index."""


class Segment(msgspec.Struct):
    """`data_size` is in bytes: of the vectors, as long as the segment has no index."""

    row_count: Count
    index_name: str
    data_size: Count = 0

    @property
    def is_indexed(self) -> bool:
        return self.index_name not in UNINDEXED


class Partition(msgspec.Struct):
    """`segments` is null where there are none."""

    tag: str
    row_count: Count
    segments: tuple[Segment, ...] | None


class IndexBuild(msgspec.Struct):
    """What is left to build: `waiting` segments. `failure` says why the last build failed, and
    `disk_full` whether that was for want of room.
    """

    waiting: Count
    failure: str | None
    disk_full: bool = False


class Info(msgspec.Struct):
    """The part of ShowCollectionInfo's JSON that the driver reads. It lists every partition.

    `index_build` is null while there is nothing to build. Only Quiver's engine has the field.
    """

    partitions: tuple[Partition, ...]
    index_build: IndexBuild | UnsetType | None = UNSET

    def rows(self, tag: str) -> int:
        return sum(p.row_count for p in self.partitions if p.tag == tag)

    @property
    def built(self) -> "Built":
        segments = [s for p in self.partitions for s in p.segments or ()]
        sizes = (
            s.data_size for s in segments if not s.is_indexed and s.row_count >= SMALLEST_INDEXED
        )
        indexed = sum(s.is_indexed for s in segments)
        return Built(indexed, array("q", sizes), self.index_build)


class Built(NamedTuple):
    """How far an index is built. This is all that is kept of an answer while the next call is under
    way: the answers of many servers may be kept at the same time.

    `indexed` segments have the index. `unindexed` has the bytes of each segment that is large
    enough for one and has none.
    """

    indexed: int
    unindexed: "array[int]"
    build: IndexBuild | UnsetType | None

    def progress(self, waiting: int) -> IndexProgress:
        """Return the progress of a build that has `waiting` segments left."""
        return IndexProgress(built=self.indexed, total=self.indexed + waiting)


def info_of(text: str) -> Info:
    """Raises: EngineRefused."""
    return read(text, Info, "its partitions")
