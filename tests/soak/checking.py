"""Whether the answer of a search fits what the engine was told.

The one rule: a search may have met every row whose Insert was sent before the search was answered
and that was not gone for sure when the search was sent; it must have met every row that was seen
for sure when the search was sent and that nobody asked to delete before the search was answered.
So each result must be a row of the first kind, at its own distance, each row once and best first;
there are topk results, or as many as rows of the second kind; and, unless an approximate index may
have answered, no row of the second kind is nearer than the last result and not among them.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from quiver_engine.model import IndexType, Metric, Vectors
from soak import distances
from soak.client import Found
from soak.distances import Doubles
from soak.ledger import NO_ID, Mask, Places, Rows

APPROXIMATE = frozenset({IndexType.HNSW})
CODED = frozenset({IndexType.IVF_SQ8})
_NONE = -1


@dataclass(frozen=True)
class Asked:
    """A search of rows of `metric`, sent and answered at these moments.

    `indexes` are the types that the collection may have had meanwhile.
    """

    metric: Metric
    queries: Vectors
    topk: int
    start: int
    end: int
    indexes: AbstractSet[IndexType]


def wrong(rows: Rows, asked: Asked, found: Found) -> str | None:
    """Return what is wrong with an answer; `rows` are those of the partitions that were asked."""
    rows = rows.where(rows.may_show(asked.start, asked.end))
    must = rows.must_show(asked.start, asked.end)
    if found.ids.size == 0:
        return f"nothing was found, {must.sum()} rows must be" if must.any() else None
    if found.ids.shape != (len(asked.queries), asked.topk):
        return f"the shape is {found.ids.shape}, not {(len(asked.queries), asked.topk)}"
    return _Check(rows, must, asked, found).wrong()


def nearest(rows: Rows, asked: Asked) -> Places:
    """Return the exact answer over all of the rows as their places, shape (queries, topk)."""
    exact = distances.exact(asked.metric, asked.queries, rows.vectors)
    return np.argsort(exact, axis=1, kind="stable")[:, : asked.topk].astype(np.int64)


def wrong_vector(rows: Rows, window: tuple[int, int], vector: Vectors | None) -> str | None:
    """Return what is wrong with a vector got by its id, by the same rule; `rows` have that id.

    Of rows with one id, as after a delete and an insert, the newest that must be there is due.
    """
    must = rows.table["begun"][rows.must_show(*window)]
    if vector is None:
        return f"it is not there, and must be: {_told(rows)}" if len(must) else None
    newest = must.max() if len(must) else 0
    fitting = rows.where(rows.may_show(*window) & (rows.table["begun"] >= newest))
    if any(np.array_equal(vector, row) for row in fitting.vectors):
        return None
    return f"got {vector[:4]}…, expected one of {fitting.vectors[:, :4].tolist()} of {_told(rows)}"


def _told(rows: Rows) -> str:
    return "; ".join(map(rows.describe, range(len(rows))))


class _Check:
    def __init__(self, rows: Rows, must: Mask, asked: Asked, found: Found) -> None:
        self._rows, self._must, self._asked, self._ids = rows, must, asked, found.ids
        sign = -1 if asked.metric is Metric.IP else 1
        self._told = sign * found.distances.astype(np.float64)
        self._exact = distances.exact(asked.metric, asked.queries, rows.vectors)
        is_coded = not CODED.isdisjoint(asked.indexes)
        self._allowed = distances.tolerance(
            asked.metric, asked.queries, rows.vectors, self._exact, is_coded=is_coded
        )
        self._taken = np.zeros(self._exact.shape, bool)

    def wrong(self) -> str | None:
        is_row = self._ids != _NONE
        if (is_row[:, 1:] & ~is_row[:, :-1]).any():
            return "an id follows -1"
        with np.errstate(invalid="ignore"):
            falls = (np.diff(self._told, axis=1) < 0) & is_row[:, 1:]
        if falls.any():
            return self._told_of(int(np.flatnonzero(falls.any(axis=1))[0]), "not sorted")
        return self._unknown() or self._too_few(is_row) or self._missing(is_row)

    def _unknown(self) -> str | None:
        """Find a row for each result, and take it."""
        if not len(self._rows):
            return "there is no row, and ids were returned" if (self._ids != _NONE).any() else None
        ids = self._rows.table["id"]
        order = np.argsort(ids, kind="stable")
        first = np.searchsorted(ids, self._ids, sorter=order)
        for query, place in np.argwhere(self._ids != _NONE).tolist():
            if not self._take(query, place, order[first[query, place] :]):
                id_ = self._ids[query, place]
                return self._told_of(query, f"result {place} is no row: {self._known(query, id_)}")
        return None

    def _take(self, query: int, place: int, candidates: Places) -> bool:
        ids, id_ = self._rows.table["id"], self._ids[query, place]
        for row in candidates:
            if ids[row] != id_:
                break
            if self._fits(query, place, int(row)):
                return True
        # Rows whose Insert is not answered yet have ids that only the engine knows.
        unnamed = np.flatnonzero(ids == NO_ID)
        return any(self._fits(query, place, row) for row in unnamed.tolist())

    def _fits(self, query: int, place: int, row: int) -> bool:
        off = abs(self._exact[query, row] - self._told[query, place])
        if self._taken[query, row] or not off <= self._allowed[query, row]:
            return False
        self._taken[query, row] = True
        return True

    def _too_few(self, is_row: Mask) -> str | None:
        least = min(self._asked.topk, int(self._must.sum()))
        counts = is_row.sum(axis=1)
        if (counts >= least).all():
            return None
        query = int(np.argmin(counts))
        return self._told_of(query, f"{counts[query]} results where {least} rows must be there")

    def _missing(self, is_row: Mask) -> str | None:
        if not APPROXIMATE.isdisjoint(self._asked.indexes) or not self._must.any():
            return None
        last = np.where(is_row[:, -1], self._told[:, -1], np.inf)
        nearer = self._exact + self._allowed < last[:, None]
        missing = nearer & ~self._taken & self._must[None]
        if not missing.any():
            return None
        query, row = np.argwhere(missing)[0].tolist()
        id_, far = self._rows.table["id"][row], self._exact[query, row]
        return self._told_of(
            query, f"id {id_} at {far:.6g} is missing ({self._rows.describe(row)})"
        )

    def _known(self, query: int, id_: int) -> str:
        rows = np.flatnonzero(self._rows.table["id"] == id_)
        told = [
            f"{self._exact[query, r]:.6g} ± {self._allowed[query, r]:.2g}: {self._rows.describe(r)}"
            for r in rows.tolist()
        ]
        return f"id {id_} may be at {told}" if told else f"id {id_} cannot be there"

    def _told_of(self, query: int, what: str) -> str:
        told: Doubles = self._told[query]
        got = list(zip(self._ids[query, :8].tolist(), told[:8].tolist(), strict=True))
        expected = nearest(self._rows, self._asked)[query, :8]
        return (
            f"{what}; query {query}: got {got},"
            f" expected about {self._rows.table['id'][expected].tolist()}"
            f" at {self._exact[query, expected].tolist()}"
        )
