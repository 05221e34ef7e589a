"""Searches segments, by index or by brute force, and merges their results with numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from quiver_engine.errors import CallerLeft
from quiver_engine.files.segments import Segment
from quiver_engine.indexes import reranking
from quiver_engine.indexes.kinds import KINDS, IndexKind
from quiver_engine.model import CallerWaits, Floats, Ids, IndexSpec, Metric, Vectors

_NO_ID = -1
# Merging takes several times the memory of what is merged.
_RESULTS_AT_ONCE = 1 << 22
_NO_DISTANCE = np.float32(np.nan)
"""Sorts behind every distance, even infinity."""

Found = tuple[Ids, Floats]
"""Ids and distances, both of shape (queries, results), best first."""


@dataclass(frozen=True)
class Asked:
    """A search: `params` suit the collection's index, and indexes of other specs are not used.

    `queries` has shape (queries, width). `is_own_metric` says whether `metric` is the collection's,
    for which its indexes and the copies on GPUs are made.
    """

    queries: Vectors
    topk: int
    metric: Metric
    spec: IndexSpec
    params: Mapping[str, int]
    is_own_metric: bool = True

    @cached_property
    def kind(self) -> IndexKind:
        """The row of the search's index type; looked up once for all segments."""
        return KINDS[self.spec.type]


Nearest = Callable[[Segment, Asked, int, Callable[[], bool]], tuple[Floats, Ids]]
"""Searches one segment: returns distances and row numbers, both (queries, count), -1 for no row.

The last argument says whether the caller still waits.
"""


def search(
    segments: Sequence[Segment], asked: Asked, nearest: Nearest, caller_waits: CallerWaits
) -> Found:
    """Return the topk nearest rows of each query, shape (queries, topk), best first.

    Distances are squared for L2, for IP the inner product. Where fewer rows exist, ids are padded
    with -1 and distances with the metric's worst value. Raises CallerLeft when the caller no longer
    waits.
    """
    at_once = max(1, _RESULTS_AT_ONCE // asked.kind.candidates(asked.topk))
    if len(asked.queries) <= at_once:
        return _search(segments, asked, nearest, caller_waits)
    ids, distances = no_results(len(asked.queries), asked.topk, asked.metric)
    for start in range(0, len(asked.queries), at_once):
        some = slice(start, start + at_once)
        share = replace(asked, queries=asked.queries[some])
        ids[some], distances[some] = _search(segments, share, nearest, caller_waits)
    return ids, distances


def _search(
    segments: Sequence[Segment], asked: Asked, nearest: Nearest, caller_waits: CallerWaits
) -> Found:
    found: Found | None = None
    for segment in segments:
        if not caller_waits():
            raise CallerLeft
        if not segment.living:
            continue
        inside = _in_segment(segment, asked, nearest, caller_waits)
        found = inside if found is None else _best(found, inside, asked.topk, asked.metric)
    if found is None:
        return no_results(len(asked.queries), asked.topk, asked.metric)
    return _padded(found, asked)


def _padded(found: Found, asked: Asked) -> Found:
    """Fill up to topk results for each query, and give missing ones the worst distance."""
    ids, distances = found
    is_none = np.isnan(distances)
    if is_none.any():
        distances = np.where(is_none, _worst(asked.metric), distances)
    if ids.shape[1] == asked.topk:
        return ids, distances
    all_ids, all_distances = no_results(len(ids), asked.topk, asked.metric)
    all_ids[:, : ids.shape[1]], all_distances[:, : ids.shape[1]] = ids, distances
    return all_ids, all_distances


def _in_segment(
    segment: Segment, asked: Asked, nearest: Nearest, caller_waits: CallerWaits
) -> Found:
    count = min(asked.topk, segment.living)
    is_reranked = asked.kind.reranks and segment.index is not None
    taken = min(asked.kind.candidates(count), segment.living) if is_reranked else count
    distances, rows = nearest(segment, asked, taken, caller_waits)
    if is_reranked:
        distances, rows = reranking.best(segment.vectors, asked.metric, asked.queries, rows, count)
    is_row = rows >= 0
    if is_row.all():
        return segment.ids[rows], distances
    ids = np.where(is_row, segment.ids[rows], _NO_ID)
    return ids, np.where(is_row, distances, _NO_DISTANCE)


def _worst(metric: Metric) -> np.float32:
    largest = np.finfo(np.float32).max
    return np.float32(-largest) if metric is Metric.IP else largest


def _best(one: Found, other: Found, topk: int, metric: Metric) -> Found:
    ids = np.concatenate([one[0], other[0]], axis=1)
    distances = np.concatenate([one[1], other[1]], axis=1)
    ascending = -distances if metric is Metric.IP else distances
    order = np.argsort(ascending, axis=1, kind="stable")[:, :topk]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)


def no_results(queries: int, topk: int, metric: Metric) -> Found:
    """Return what stands for missing results, both of shape (queries, topk)."""
    shape = (queries, topk)
    return np.full(shape, _NO_ID, np.int64), np.full(shape, _worst(metric), np.float32)
