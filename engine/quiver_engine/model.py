"""The values that the whole engine uses: metric, schema, index, rows, limits. No I/O."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint8]
"""Eight bits in a byte."""
Vectors = npt.NDArray[np.float32 | np.uint8]
"""Rows of floats, or of bits."""
Ids = npt.NDArray[np.int64]

MIB = 1 << 20
DEFAULT_TAG = "_default"

NAME_BYTES = 255
TAG_BYTES = 255
TAG_BLANKS = " \n\r\t"
"""Do not count at the ends of a partition's tag."""
MAX_DIMENSION = 32_768
MAX_INDEX_FILE_SIZE_MB = 131_072
MAX_TOPK = 1_048_576
MAX_INSERT_BYTES = 256 * MIB
MAX_RESULT_BYTES = 256 * MIB
MAX_MESSAGE_BYTES = MAX_INSERT_BYTES + 64 * MIB
MAX_PARSED_BYTES = 16 * MIB
MAX_PARTITIONS = 4096
"""Of one collection; `_default` is not counted."""
COLLECTIONS_AND_PARTITIONS = 4096
"""How many there may be together unless the engine is told another limit."""
MAX_COLLECTIONS_AND_PARTITIONS = 8192
"""The highest such limit. The operator reads as many names of one engine."""
MAX_PARAMS_BYTES = 4096
MAX_IDS_PER_GET = 1000
MAX_TAGS_PER_SEARCH = 4096
MAX_PATTERNS_PER_SEARCH = 64
MAX_INDEX_WAITERS = 64
"""Calls that wait for indexes being built."""


@dataclass
class Limits:
    """How many collections and partitions there may be; `_default` is not counted.

    `partitions` are those of one collection.
    """

    together: int = COLLECTIONS_AND_PARTITIONS
    partitions: int = MAX_PARTITIONS


CallerWaits = Callable[[], bool]
"""Whether the caller still waits for the answer."""
MIN_INDEXED_ROWS = 4096


class Metric(IntEnum):
    """Distances that the engine computes, with the protocol's numbers."""

    L2 = 1
    IP = 2
    HAMMING = 3
    JACCARD = 4
    TANIMOTO = 5
    SUBSTRUCTURE = 6
    SUPERSTRUCTURE = 7

    @property
    def is_binary(self) -> bool:
        """Whether it is for vectors of bits."""
        return self not in (Metric.L2, Metric.IP)


class IndexType(IntEnum):
    """The index types of the protocol, with its numbers; indexes/kinds.py has the rest of each."""

    FLAT = 1
    IVF_FLAT = 2
    IVF_SQ8 = 3
    RNSG = 4
    IVF_SQ8H = 5
    IVF_PQ = 6
    HNSW = 11
    ANNOY = 12


class RowLayout(NamedTuple):
    """A row's vector in memory and in files: `width` values of `dtype`, little-endian."""

    dtype: np.dtype[np.float32 | np.uint8]
    width: int

    @property
    def bytes(self) -> int:
        return self.width * self.dtype.itemsize

    @property
    def dimension(self) -> int:
        """How many floats or bits a vector has."""
        return self.width * 8 if self.dtype == np.uint8 else self.width


@dataclass(frozen=True)
class IndexSpec:
    """What CreateIndex asked for; `params` is its JSON text, unchanged."""

    type: IndexType = IndexType.FLAT
    params: str = "{}"

    @cached_property
    def values(self) -> Mapping[str, int]:
        values: dict[str, int] = json.loads(self.params)
        return values


@dataclass(frozen=True)
class IndexState:
    """A collection's index as the catalog has it.

    `requested` is True while a CreateIndex has yet to flush and merge. Segments with numbers up to
    `covers` get an index whatever their size, later ones once they are full.
    """

    spec: IndexSpec = IndexSpec()
    requested: bool = False
    covers: int = 0


class IdOrigin(Enum):
    """Who gives the ids of a collection's rows. The first insert decides it for good."""

    AUTOMATIC = "automatic"
    USER = "user"


@dataclass(frozen=True)
class Schema:
    """What a collection is created with, and what never changes."""

    name: str
    dimension: int
    index_file_size: int
    """MB of 2**20 bytes of raw vectors, per partition."""
    metric: Metric

    @property
    def layout(self) -> RowLayout:
        if self.metric.is_binary:
            return RowLayout(np.dtype("u1"), self.dimension // 8)
        return RowLayout(np.dtype("<f4"), self.dimension)

    @property
    def sealed_rows(self) -> int:
        """Rows at which a segment reaches index_file_size and is never merged again."""
        return -(-self.index_file_size * MIB // self.layout.bytes)


@dataclass(frozen=True)
class Rows:
    """The rows of a request, not yet checked against a collection.

    `vectors`, of shape (count, width), is float32 or, for rows of bits, uint8; None unless all rows
    are of one kind and width. `floats` and `bytes` count the values of all rows.
    """

    count: int
    floats: int
    bytes: int
    vectors: Vectors | None

    @classmethod
    def of(cls, vectors: Vectors) -> "Rows":
        is_binary = vectors.dtype == np.uint8
        floats, size = (0, vectors.size) if is_binary else (vectors.size, 0)
        return cls(len(vectors), floats, size, vectors)


@dataclass(frozen=True)
class InsertBatch:
    """One Insert: rows for a partition. `ids` is None where the engine gives the ids."""

    collection: str
    tag: str
    rows: Rows
    ids: Ids | None


@dataclass(frozen=True)
class Query:
    """One Search. `tags` are patterns for partitions; without any, all partitions are searched."""

    collection: str
    tags: tuple[str, ...]
    rows: Rows
    topk: int
    params: str | None
