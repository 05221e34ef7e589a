"""Indexes that are graphs of neighbours: HNSW, and RNSG and ANNOY, which an HNSW graph stands for.

The build of FAISS's own NSG may never end where rows repeat or `out_degree` is small: to link a row
that cannot be reached, it looks for a reachable row with a free link, and there may be none. FAISS
has no forests of trees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import faiss
import numpy as np

from quiver_engine.indexes import reach
from quiver_engine.indexes.faiss_indexes import Params, Trainer, selector
from quiver_engine.model import Bits, Floats, Ids

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

MAX_EF = 32_768

# With less, a search does not find a large part of rows that lie in no clusters.
_MIN_M, _MAX_M = 8, 64
# Of what a graph stands for: who asks for it gave no parameters of a graph, and expects that a
# search for a row finds it.
_MIN_M_FOR_OTHERS = 16
_MIN_EF_FOR_OTHERS = reach.SURE_EF
_MIN_EF_CONSTRUCTION = 100
_MAX_EF_CONSTRUCTION = 512
_CANDIDATES_PER_LINK = 8


class Shape(NamedTuple):
    """HNSW's parameters: `m` links a row, and twice as many on the lowest level."""

    m: int
    ef_construction: int


@dataclass(frozen=True)
class Graph:
    """Builds and searches one type.

    `shape` returns the graph for the parameters of a build. `wanted_ef` takes the parameters of the
    build, those of a search and its topk. It returns from how many of the nearest rows seen so far
    the search goes on, before that is held to topk and MAX_EF.
    """

    shape: Callable[[Params], Shape]
    wanted_ef: Callable[[Params, Params, int], int]

    def empty(self, values: Params, metric: int, rows: int, dimension: int) -> faiss.Index:  # noqa: ARG002 - a graph grows
        m, ef_construction = self.shape(values)
        index: Any = _FAISS.IndexHNSWFlat(dimension, m, metric)
        index.hnsw.efConstruction = ef_construction
        # FAISS would leave places for links empty to save time: a sixth of what a search finds.
        index.hnsw.prune_headroom = 0.0
        built: faiss.Index = index
        return built

    def train(self, index: Any, vectors: Floats, trainer: Trainer) -> None:
        """Do nothing: a graph needs no training."""

    def finish(self, index: Any, vectors: Floats, is_wanted: Callable[[], bool]) -> None:
        reach.link_lost_rows(index, vectors, is_wanted)

    def search(
        self,
        index: Any,
        values: Params,
        params: Params,
        queries: Floats,
        count: int,
        living: Bits | None,
    ) -> tuple[Floats, Ids]:
        """Search as every recipe does, and never return fewer rows than there are.

        A query that the graph leads to fewer than `count` rows is compared with every row.
        """
        only, ef = selector(living), self._ef(values, params, count)
        # The time that FAISS takes grows with the square of ef.
        if ef >= min(index.ntotal, MAX_EF + 1):
            return _compare_all(index, queries, count, only)
        how = (
            _of_all_rows(ef) if only is None else _FAISS.SearchParametersHNSW(efSearch=ef, sel=only)
        )
        distances, rows = index.search(queries, count, params=how)
        if rows.min() >= 0:
            return distances, rows
        is_short = (rows < 0).any(axis=1) & np.isfinite(queries).all(axis=1)
        if is_short.any():
            found = _compare_all(index, queries[is_short], count, only)
            distances[is_short], rows[is_short] = found
        return distances, rows

    def _ef(self, values: Params, params: Params, topk: int) -> int:
        return max(topk, min(self.wanted_ef(values, params, topk), MAX_EF))

    def rows_read(self, values: Params, params: Params, rows: int, topk: int) -> float:
        """Estimate the rows that a query is compared with: all neighbours of `ef` rows, at most."""
        return min(rows, self._ef(values, params, topk) * 2 * self.shape(values).m)


def hnsw_shape(values: Params) -> Shape:
    return Shape(max(values["M"], _MIN_M), values["efConstruction"])


def rnsg_shape(values: Params) -> Shape:
    candidates = max(values["candidate_pool_size"], values["search_length"])
    m = max(-(-values["out_degree"] // 2), _MIN_M_FOR_OTHERS)
    return Shape(m, min(max(candidates, _MIN_EF_CONSTRUCTION), _MAX_EF_CONSTRUCTION))


def annoy_shape(values: Params) -> Shape:
    m = min(max(values["n_trees"], _MIN_M_FOR_OTHERS), _MAX_M)
    return Shape(m, max(_CANDIDATES_PER_LINK * m, _MIN_EF_CONSTRUCTION))


def hnsw_ef(_: Params, params: Params, _topk: int) -> int:
    return params["ef"]


def rnsg_ef(_: Params, params: Params, _topk: int) -> int:
    return max(params["search_length"], _MIN_EF_FOR_OTHERS)


def annoy_ef(values: Params, params: Params, topk: int) -> int:
    wanted = params["search_k"]
    return max(wanted if wanted > 0 else topk * values["n_trees"], _MIN_EF_FOR_OTHERS)


def _compare_all(index: Any, queries: Floats, count: int, only: Any) -> tuple[Floats, Ids]:
    flat: Any = faiss.downcast_index(index.storage)
    distances, rows = flat.search(queries, count, params=_FAISS.SearchParameters(sel=only))
    return distances, rows


# To make one takes as long as a short search.
@lru_cache(maxsize=64)
def _of_all_rows(ef: int) -> Any:
    return _FAISS.SearchParametersHNSW(efSearch=ef)
