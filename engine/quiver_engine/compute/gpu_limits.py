"""Limits of FAISS on a GPU that hold for all indexes, and the memory that indexes take. Pure.

What differs between the index types is in their rows in indexes/kinds.py. FAISS checks the limits
when it copies an index to a GPU or searches it there.
"""

from quiver_engine.indexes.faiss_indexes import Params
from quiver_engine.indexes.ivf import list_count
from quiver_engine.indexes.kinds import IndexKind
from quiver_engine.model import Metric

MAX_K = 2048
MAX_NPROBE = 2048

_METRICS = {Metric.L2, Metric.IP}
_ROWS_PER_GROUP = 32
_ID_BYTES = 8
# A list has two allocations, for codes and for ids, each rounded up to 512 bytes.
_LIST_BYTES = 1024


def has_metric(metric: Metric) -> bool:
    return metric in _METRICS


def has_index(kind: IndexKind, values: Params, dimension: int) -> bool:
    """Return whether FAISS can search an index with these build parameters on a GPU."""
    return kind.gpu is not None and kind.gpu.fits(values, dimension)


def rows_bytes(rows: int, dimension: int) -> int:
    """Return the bytes of a segment's rows on a GPU: their numbers and, for L2, their norms."""
    return rows * (dimension + 1) * 4


def index_bytes(kind: IndexKind, values: Params, rows: int, dimension: int) -> int:
    """Return the most bytes that an index takes on a GPU, where lists have whole groups of rows.

    Raises LookupError for an index that a GPU cannot search.
    """
    if kind.gpu is None:
        raise LookupError(f"no GPU searches {kind.type.name}")
    lists = list_count(values, rows)
    row = kind.gpu.code_bytes(values, dimension) + _ID_BYTES
    centroids = rows_bytes(lists, dimension)
    return (rows + lists * (_ROWS_PER_GROUP - 1)) * row + lists * _LIST_BYTES + centroids
