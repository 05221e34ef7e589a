"""Exact distances for what an index of shortened vectors finds, from the rows themselves.

A product quantizer puts near rows into a wrong order, and each segment's does so in its own way.
So more rows than wanted are taken from it, and ordered by their own distances.
"""

from typing import Any

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids, Metric, Vectors

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_CANDIDATES_PER_RESULT = 4
# From here on the rows that are wanted are candidates enough, and more would cost too much.
_MOST_CANDIDATES = 1024


def candidates(count: int) -> int:
    """Return how many rows to take from such an index where the best `count` are wanted."""
    return max(count, min(_CANDIDATES_PER_RESULT * count, _MOST_CANDIDATES))


def best(
    vectors: Vectors, metric: Metric, queries: Vectors, rows: Ids, count: int
) -> tuple[Floats, Ids]:
    """Return exact distances and row numbers, both (queries, count), best first.

    `rows` has each query's candidates, shape (queries, candidates), -1 where none; so has the
    result. `vectors`, floats as no such index is over bits, are read at these places only.
    """
    distances = np.empty(rows.shape, np.float32)
    by_place = {Metric.L2: "fvec_L2sqr_by_idx", Metric.IP: "fvec_inner_products_by_idx"}
    arrays = (distances, np.ascontiguousarray(queries), vectors, np.ascontiguousarray(rows))
    sizes = (vectors.shape[1], *rows.shape)
    getattr(_FAISS, by_place[metric])(*(_FAISS.swig_ptr(array) for array in arrays), *sizes)
    ascending = distances if metric is Metric.L2 else -distances
    # Places without a row have an infinite distance, rows that are no numbers NaN: both are last.
    order = np.argsort(ascending, axis=1, kind="stable")[:, :count]
    distances = np.take_along_axis(distances, order, axis=1)
    return distances, np.where(np.isnan(distances), -1, np.take_along_axis(rows, order, axis=1))
