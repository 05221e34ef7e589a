"""Indexes that are graphs of neighbours: HNSW, and RNSG and ANNOY by means of it.

FAISS's own NSG may never end where rows repeat or `out_degree` is small: to link a row that nothing
leads to it looks for a reachable row with a link to spare, and there may be none. Nor does FAISS
have forests of trees.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import faiss
import numpy as np

from quiver_engine.model import Floats, Ids, IndexSpec, IndexType

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

MAX_EF = 32_768

_MIN_M, _MAX_M = 4, 64
_MIN_EF_CONSTRUCTION = 100
_MAX_EF_CONSTRUCTION = 512
_CANDIDATES_PER_LINK = 8

GRAPHS = frozenset({IndexType.HNSW, IndexType.RNSG, IndexType.ANNOY})


class Shape(NamedTuple):
    """HNSW's parameters: `m` links a row, twice as many on the ground floor."""

    m: int
    ef_construction: int


def shape(spec: IndexSpec) -> Shape:
    """Return the graph that stands for what was asked for."""
    values = spec.values
    match spec.type:
        case IndexType.HNSW:
            return Shape(values["M"], values["efConstruction"])
        case IndexType.RNSG:
            candidates = max(values["candidate_pool_size"], values["search_length"])
            m = max(-(-values["out_degree"] // 2), _MIN_M)
            return Shape(m, min(candidates, _MAX_EF_CONSTRUCTION))
        case IndexType.ANNOY:
            m = min(max(values["n_trees"], _MIN_M), _MAX_M)
            return Shape(m, max(_CANDIDATES_PER_LINK * m, _MIN_EF_CONSTRUCTION))
    raise AssertionError(f"{spec.type.name} is no graph")


def empty(spec: IndexSpec, dimension: int, metric: int) -> faiss.Index:
    """Return an index of FAISS without rows; `metric` is FAISS's number."""
    m, ef_construction = shape(spec)
    index: Any = _FAISS.IndexHNSWFlat(dimension, m, metric)
    index.hnsw.efConstruction = ef_construction
    built: faiss.Index = index
    return built


def breadth(spec: IndexSpec, params: Mapping[str, int], topk: int) -> int:
    """Return how many of the nearest rows seen so far a search goes on from."""
    match spec.type:
        case IndexType.HNSW:
            wanted = params["ef"]
        case IndexType.RNSG:
            wanted = params["search_length"]
        case _:
            wanted = params["search_k"]
            if wanted <= 0:
                wanted = topk * spec.values["n_trees"]
    return max(topk, min(wanted, MAX_EF))


def rows_read(spec: IndexSpec, params: Mapping[str, int], topk: int) -> int:
    """Return how many rows a query is compared with at most: all neighbours of where it is."""
    return breadth(spec, params, topk) * 2 * shape(spec).m


def search(index: Any, ef: int, queries: Floats, count: int, only: Any) -> tuple[Floats, Ids]:
    """Return distances and row numbers, both (queries, count), best first.

    Only rows that the selector `only` has are found, with None all. There are to be `count` of
    them: a query that the graph leads to fewer is compared with every row.
    """
    # Its queue takes the square of its length in time.
    if ef >= min(index.ntotal, MAX_EF + 1):
        return _compare_all(index, queries, count, only)
    how = _of_all_rows(ef) if only is None else _FAISS.SearchParametersHNSW(efSearch=ef, sel=only)
    distances, rows = index.search(queries, count, params=how)
    if rows.min() >= 0:
        return distances, rows
    is_short = (rows < 0).any(axis=1) & np.isfinite(queries).all(axis=1)
    if is_short.any():
        found = _compare_all(index, queries[is_short], count, only)
        distances[is_short], rows[is_short] = found
    return distances, rows


def _compare_all(index: Any, queries: Floats, count: int, only: Any) -> tuple[Floats, Ids]:
    flat: Any = faiss.downcast_index(index.storage)
    distances, rows = flat.search(queries, count, params=_FAISS.SearchParameters(sel=only))
    return distances, rows


# Making one takes as long as a short search.
@lru_cache(maxsize=64)
def _of_all_rows(ef: int) -> Any:
    return _FAISS.SearchParametersHNSW(efSearch=ef)
