"""Exact distances for rows that an index of shortened vectors proposes.

A product quantizer orders near rows wrongly, and that of each segment does so in its own way. So an
index proposes more rows than are wanted, and their exact distances order them.
"""

from typing import Any

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids, Metric, Vectors

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_CANDIDATES_PER_RESULT = 4
# With so many rows wanted, they are candidates enough, and more would cost too much.
_MOST_CANDIDATES = 1024


def candidates(count: int) -> int:
    """Return how many rows an index is to propose where the best `count` are wanted."""
    return max(count, min(_CANDIDATES_PER_RESULT * count, _MOST_CANDIDATES))


def best(
    vectors: Vectors, metric: Metric, queries: Vectors, rows: Ids, count: int
) -> tuple[Floats, Ids]:
    """Return exact distances and row numbers, both (queries, count), best first.

    `rows` has the candidates of each query, shape (queries, candidates), -1 where there is none.
    Only these rows of `vectors` are read, which are floats: no index over bits is reranked.
    """
    distances = np.empty(rows.shape, np.float32)
    by_place = {Metric.L2: "fvec_L2sqr_by_idx", Metric.IP: "fvec_inner_products_by_idx"}
    arrays = (distances, np.ascontiguousarray(queries), vectors, np.ascontiguousarray(rows))
    sizes = (vectors.shape[1], *rows.shape)
    getattr(_FAISS, by_place[metric])(*(_FAISS.swig_ptr(array) for array in arrays), *sizes)
    ascending = distances if metric is Metric.L2 else -distances
    # A place without a row has an infinite distance, a row with NaN has NaN: both sort last.
    order = np.argsort(ascending, axis=1, kind="stable")[:, :count]
    distances = np.take_along_axis(distances, order, axis=1)
    return distances, np.where(np.isnan(distances), -1, np.take_along_axis(rows, order, axis=1))
