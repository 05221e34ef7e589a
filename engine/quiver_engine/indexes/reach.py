"""Links to the rows that a graph does not lead to.

A row keeps links to a few rows that lie in different directions. So there are rows to which nobody
links, above all with few links a row, in tight clusters and by inner product. No search finds them,
not even one for the row itself.
"""

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np

from quiver_engine.indexes.faiss_indexes import chunks
from quiver_engine.model import Floats, Ids

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

SURE_EF = 64
"""Searches with this ef or a larger one find a row that is there, by the rows that they come by."""

# A row counts as lost where half of that does not find it, so that searches have a margin.
_EF = SURE_EF // 2
_BEST = 10
_ROUNDS = 3
_ROUNDING = 1e-5


def link_lost_rows(index: Any, vectors: Floats, is_wanted: Callable[[], bool]) -> None:
    """Search a graph for each of its rows, and link those that are not found to near ones.

    The new link starts at the nearest row that a search with SURE_EF does find and that has room
    for a link: a search with a larger ef comes by there, too. A new link can lead a search past
    another row, and a row can be linked from one that was lost itself, hence the rounds. Raises
    BuildCancelled once `is_wanted` returns False.
    """
    links = _Links(index)
    rows = np.arange(len(vectors))
    for _ in range(_ROUNDS):
        lost = []
        for places in chunks(len(rows), is_wanted):
            some = rows[places]
            some = some[_is_lost(index, vectors[some], some)]
            if len(some):
                links.add(some, _search(index, vectors[some], SURE_EF)[1])
            lost.append(some)
        rows = np.concatenate(lost)
        if not len(rows):
            return


def _is_lost(index: Any, queries: Floats, rows: Ids) -> Any:
    """Return whether each row is better than what is found in its place."""
    distances, found = _search(index, queries, _EF)
    worst = distances[:, _BEST - 1]
    is_missed = (found[:, :_BEST] != rows[:, None]).all(axis=1) & np.isfinite(queries).all(axis=1)
    if index.metric_type == faiss.METRIC_L2:
        return is_missed & (worst > 0)
    with np.errstate(over="ignore", invalid="ignore"):
        own = np.einsum("ij,ij->i", queries, queries)
        return is_missed & (own > worst + _ROUNDING * np.abs(worst))


def _search(index: Any, queries: Floats, ef: int) -> tuple[Floats, Ids]:
    found: tuple[Floats, Ids] = index.search(
        queries, ef, params=_FAISS.SearchParametersHNSW(efSearch=ef)
    )
    return found


class _Links:
    """The links of the lowest level, which are changed in FAISS's memory."""

    def __init__(self, index: Any) -> None:
        hnsw = index.hnsw
        size = hnsw.neighbors.size()
        # A row's places are filled from the first on; -1 is an empty one.
        self._places = _FAISS.rev_swig_ptr(hnsw.neighbors.data(), size)
        offsets = _FAISS.rev_swig_ptr(hnsw.offsets.data(), hnsw.offsets.size())
        self._first = offsets.astype(np.int64)
        self._width = np.arange(hnsw.nb_neighbors(0))

    def add(self, lost: Ids, near: Ids) -> None:
        """Link each row from the first of those near it that has room."""
        for row, found in zip(lost, near, strict=True):
            others = found[found >= 0]
            places = self._first[others][:, None] + self._width
            held = self._places[places]
            (fit,) = ((held[:, -1] < 0) & (held != row).all(axis=1) & (others != row)).nonzero()
            if len(fit):
                of_nearest = held[fit[0]]
                self._places[places[fit[0], (of_nearest < 0).argmax()]] = row
