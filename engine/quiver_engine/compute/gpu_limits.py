"""What FAISS can do on a GPU, and the memory it takes there. Pure.

The limits are those that FAISS checks when an index is copied to a GPU or searched there; 48 KiB is
the shared memory that every GPU of NVIDIA gives a block of threads.
"""

from quiver_engine.indexes import faiss_indexes
from quiver_engine.model import IndexSpec, IndexType, Metric

MAX_K = 2048
MAX_NPROBE = 2048

_METRICS = {Metric.L2, Metric.IP}
_SHARED_BYTES = 48 * 1024
_SQ8_DIMENSIONS = _SHARED_BYTES // 8
_PQ_NBITS = 8
_PQ_CODES = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48}
_PQ_WIDTHS = {1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32}
_ROWS_PER_GROUP = 32
_ID_BYTES = 8
# Codes and ids of a list are allocated apart, each in whole pieces of 512 bytes.
_LIST_BYTES = 1024


def has_metric(metric: Metric) -> bool:
    return metric in _METRICS


def has_index(spec: IndexSpec, dimension: int) -> bool:
    """Return whether FAISS can search such an index on a GPU."""
    match spec.type:
        case IndexType.IVF_FLAT:
            return True
        case IndexType.IVF_SQ8 | IndexType.IVF_SQ8H:
            return dimension < _SQ8_DIMENSIONS
        case IndexType.IVF_PQ:
            codes = spec.values["m"]
            is_known = codes in _PQ_CODES and dimension // codes in _PQ_WIDTHS
            return is_known and spec.values.get("nbits", _PQ_NBITS) == _PQ_NBITS
    return False


def rows_bytes(rows: int, dimension: int) -> int:
    """Return what the rows of a segment take there: their numbers and, for L2, their norms."""
    return rows * (dimension + 1) * 4


def index_bytes(spec: IndexSpec, rows: int, dimension: int) -> int:
    """Return at most what an index takes there: each list is filled up to a whole group of rows."""
    lists = faiss_indexes.list_count(spec, rows)
    codes = {IndexType.IVF_FLAT: dimension * 4, IndexType.IVF_PQ: spec.values.get("m", 0)}
    row = codes.get(spec.type, dimension) + _ID_BYTES
    centroids = rows_bytes(lists, dimension)
    return (rows + lists * (_ROWS_PER_GROUP - 1)) * row + lists * _LIST_BYTES + centroids
