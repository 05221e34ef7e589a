"""Distances between vectors of bits, all computed from FAISS's count of differing bits.

If |a| and |b| bits are set in two vectors and h bits differ, then (|a| + |b| - h) / 2 bits are set
in both and (|a| + |b| + h) / 2 in at least one. Rows are ordered by keys: the least is the best,
and infinity is no match.
"""

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from quiver_engine.model import Bits, Floats, Metric

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_Counts = npt.NDArray[np.int32]


def keys(metric: Metric, queries: Bits, rows: Bits) -> Floats:
    """Return the keys of queries (q, width) and rows (n, width), contiguous, shape (q, n)."""
    differing = _differing(queries, rows)
    if metric is Metric.HAMMING:
        return differing.astype(np.float32)
    asked, held = _set_bits(queries)[:, None], _set_bits(rows)
    match metric:
        case Metric.SUBSTRUCTURE:
            return _matching(held - asked == differing)
        case Metric.SUPERSTRUCTURE:
            return _matching(asked - held == differing)
    either = asked + held + differing
    if metric is Metric.JACCARD:
        return _share(2 * differing, either, of_nothing=1)
    return -_share(asked + held - differing, either, of_nothing=0)


def distances(metric: Metric, found: Floats) -> Floats:
    """Return the distances that keys stand for."""
    if metric is not Metric.TANIMOTO:
        return found
    # The key is the negated share of common bits: 1 - JACCARD would be imprecise for small shares.
    share = np.where(np.isinf(found), 0, -found)
    with np.errstate(divide="ignore"):
        return 0 - np.log2(share)


def _differing(some: Bits, others: Bits) -> _Counts:
    counts = np.empty((len(some), len(others)), np.int32)
    pointers = [_FAISS.swig_ptr(array) for array in (some, others)]
    sizes = (len(some), len(others), some.shape[1])
    _FAISS.hammings(*pointers, *sizes, _FAISS.swig_ptr(counts))
    return counts


def _set_bits(rows: Bits) -> _Counts:
    nothing = np.zeros((1, rows.shape[1]), np.uint8)
    counts: _Counts = _differing(nothing, rows)[0]
    return counts


def _matching(is_match: npt.NDArray[np.bool_]) -> Floats:
    return np.where(is_match, np.float32(0), np.float32(np.inf))


def _share(part: _Counts, whole: _Counts, of_nothing: float) -> Floats:
    share = np.full(whole.shape, of_nothing, np.float32)
    return np.divide(part, whole, out=share, where=whole > 0, casting="same_kind")
