"""Brute-force search over segments, merged with numpy."""

from collections.abc import Iterable

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids, Metric
from quiver_engine.segments import Segment

_FAISS_METRIC = {Metric.L2: faiss.METRIC_L2, Metric.IP: faiss.METRIC_INNER_PRODUCT}
_NO_ID = -1

Found = tuple[Ids, Floats]
"""Ids and distances, both of shape (queries, results), best first."""


def search(segments: Iterable[Segment], queries: Floats, topk: int, metric: Metric) -> Found:
    """Return the topk nearest rows of each query, shape (queries, topk), best first.

    Distances are FAISS's: squared L2, or the inner product. Where fewer rows exist, ids are padded
    with -1 and distances with the metric's worst value.
    """
    found = _nothing(len(queries), 0, metric)
    for segment in segments:
        found = _best([found, _in_segment(segment, queries, topk, metric)], topk, metric)
    missing = topk - found[0].shape[1]
    return _best([found, _nothing(len(queries), missing, metric)], topk, metric)


def _in_segment(segment: Segment, queries: Floats, topk: int, metric: Metric) -> Found:
    count = min(topk, segment.rows)
    distances, rows = faiss.knn(queries, segment.vectors, count, _FAISS_METRIC[metric])
    return np.where(rows < 0, _NO_ID, segment.ids[rows]), distances


def _nothing(queries: int, results: int, metric: Metric) -> Found:
    largest = np.finfo(np.float32).max
    worst = largest if metric is Metric.L2 else -largest
    shape = (queries, results)
    return np.full(shape, _NO_ID, np.int64), np.full(shape, worst, np.float32)


def _best(several: list[Found], topk: int, metric: Metric) -> Found:
    ids = np.concatenate([found[0] for found in several], axis=1)
    distances = np.concatenate([found[1] for found in several], axis=1)
    ascending = distances if metric is Metric.L2 else -distances
    order = np.argsort(ascending, axis=1, kind="stable")[:, :topk]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
