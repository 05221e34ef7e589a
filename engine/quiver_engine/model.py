"""The words of the engine as values: metric, schema, index, limits. No I/O."""

import json
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

MIB = 1 << 20
DEFAULT_TAG = "_default"

NAME_BYTES = 255
TAG_BYTES = 255
MAX_DIMENSION = 32_768
MAX_INDEX_FILE_SIZE_MB = 131_072
MAX_TOPK = 1_048_576
MAX_INSERT_BYTES = 256 * MIB
MAX_RESULT_BYTES = 256 * MIB
MAX_MESSAGE_BYTES = MAX_INSERT_BYTES + 64 * MIB
MAX_PARSED_BYTES = 16 * MIB
MAX_COLLECTIONS_AND_PARTITIONS = 4096
MAX_PARAMS_BYTES = 4096
MAX_IDS_PER_GET = 1000
MAX_TAGS_PER_SEARCH = 4096
MAX_PATTERNS_PER_SEARCH = 64
MIN_INDEXED_ROWS = 4096


class Metric(IntEnum):
    """Distances the engine computes, with the protocol's numbers."""

    L2 = 1
    IP = 2


class IndexType(IntEnum):
    """Kinds of index the protocol knows, with its numbers."""

    FLAT = 1
    IVF_FLAT = 2
    IVF_SQ8 = 3
    RNSG = 4
    IVF_SQ8H = 5
    IVF_PQ = 6
    HNSW = 11
    ANNOY = 12


@dataclass(frozen=True)
class IndexSpec:
    """What CreateIndex asked for; `params` is its JSON text, as it came."""

    type: IndexType = IndexType.FLAT
    params: str = "{}"

    @property
    def values(self) -> dict[str, int]:
        values: dict[str, int] = json.loads(self.params)
        return values


@dataclass(frozen=True)
class IndexState:
    """A collection's index as the catalog keeps it.

    `requested`: a CreateIndex has still to flush and merge. `covers`: segments up to this number
    are indexed whatever their size, later ones once they are full.
    """

    spec: IndexSpec = IndexSpec()
    requested: bool = False
    covers: int = 0


class IdOrigin(Enum):
    """Who names a collection's rows; settled by the first insert, for good."""

    AUTOMATIC = "automatic"
    USER = "user"


@dataclass(frozen=True)
class Schema:
    """What a collection is created with and can never change."""

    name: str
    dimension: int
    index_file_size: int
    """MB of 2**20 bytes of raw vectors, per partition."""
    metric: Metric

    @property
    def row_bytes(self) -> int:
        return self.dimension * 4

    @property
    def sealed_rows(self) -> int:
        """Rows at which a segment reaches index_file_size and is never merged again."""
        return -(-self.index_file_size * MIB // self.row_bytes)


@dataclass(frozen=True)
class Rows:
    """Row records as they arrived, not yet held against a collection.

    `vectors` is float32 of shape (count, width) when every row is a float row of one width, else
    None; `floats` counts the floats of all rows.
    """

    count: int
    floats: int
    vectors: Floats | None
    binary: bool = False


@dataclass(frozen=True)
class InsertBatch:
    """One Insert: rows for a partition; `ids` is None when the engine is to give them."""

    collection: str
    tag: str
    rows: Rows
    ids: Ids | None


@dataclass(frozen=True)
class Query:
    """One Search: `tags` are patterns, none of them means every partition."""

    collection: str
    tags: tuple[str, ...]
    rows: Rows
    topk: int
    params: str | None
