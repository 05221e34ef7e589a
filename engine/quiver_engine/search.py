"""Brute-force search over segments, merged with numpy."""

from collections.abc import Sequence

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids, Metric
from quiver_engine.segments import Segment

_FAISS_METRIC = {Metric.L2: faiss.METRIC_L2, Metric.IP: faiss.METRIC_INNER_PRODUCT}
_NO_ID = -1

Found = tuple[Ids, Floats]
"""Ids and distances, both of shape (queries, results), best first."""


def search(segments: Sequence[Segment], queries: Floats, topk: int, metric: Metric) -> Found:
    """Return the topk nearest rows of each query, shape (queries, topk), best first.

    Distances are FAISS's: squared L2, or the inner product. Where fewer rows exist, ids are padded
    with -1 and distances with the metric's worst value. Takes at least one segment.
    """
    found = _in_segment(segments[0], queries, topk, metric)
    for segment in segments[1:]:
        found = _best(found, _in_segment(segment, queries, topk, metric), topk, metric)
    return _padded(found, topk, metric)


def _in_segment(segment: Segment, queries: Floats, topk: int, metric: Metric) -> Found:
    count = min(topk, segment.rows)
    distances, rows = faiss.knn(queries, segment.vectors, count, _FAISS_METRIC[metric])
    return np.where(rows < 0, _NO_ID, segment.ids[rows]), distances


def _best(one: Found, other: Found, topk: int, metric: Metric) -> Found:
    ids = np.concatenate([one[0], other[0]], axis=1)
    distances = np.concatenate([one[1], other[1]], axis=1)
    ascending = distances if metric is Metric.L2 else -distances
    order = np.argsort(ascending, axis=1, kind="stable")[:, :topk]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _padded(found: Found, topk: int, metric: Metric) -> Found:
    ids, distances = found
    largest = np.finfo(np.float32).max
    worst = largest if metric is Metric.L2 else -largest
    width = ((0, 0), (0, topk - ids.shape[1]))
    return (
        np.pad(ids, width, constant_values=_NO_ID),
        np.pad(distances, width, constant_values=worst),
    )
