"""What was asked of one collection's rows and what was acknowledged, each at its moment.

Moments are counted, not timed: `moment` gives a larger number each time. A row's moments:

begun         before its Insert was sent
answered      after its Insert was answered
seen          after a Flush was answered that was sent after that: from here on searches see it
doomed        before a DeleteByID, DropPartition or DropCollection that costs it was sent
doom_answered after that was answered
gone          after a Flush was answered that was sent after that, at once for a drop

Each is NEVER until it comes. Rows of one Insert share `begun`, those of one deletion `doomed`.
"""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quiver_engine.model import Ids, RowLayout, Vectors

NEVER = int(np.iinfo(np.int64).max)
NO_ID = -1
"""Of a row that the engine is to name and of which it has not told the name yet."""
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MOMENTS = ("begun", "answered", "seen", "doomed", "doom_answered", "gone")
_ROW = np.dtype([(name, "i8") for name in ("id", "partition", *_MOMENTS)])
_COUNTER = itertools.count(1)


def moment() -> int:
    return next(_COUNTER)


@dataclass(frozen=True)
class Rows:
    """Rows at one time: `table` has the columns id, partition and the moments; all (n,)."""

    table: Any
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.table)

    def where(self, mask: Mask) -> "Rows":
        return Rows(self.table[mask], self.vectors[mask])

    def describe(self, row: int) -> str:
        """Return a row's partition and moments, for people."""
        values = dict(zip(_ROW.names or (), self.table[row].tolist(), strict=True))
        return ", ".join(f"{n} {'never' if v == NEVER else v}" for n, v in values.items())

    def may_show(self, start: int, end: int) -> Mask:
        """Return which rows a call between two moments may have met."""
        mask: Mask = (self.table["begun"] < end) & (self.table["gone"] > start)
        return mask

    def must_show(self, start: int, end: int) -> Mask:
        """Return which rows a call between two moments must have met."""
        mask: Mask = (self.table["seen"] < start) & (self.table["doomed"] > end)
        return mask

    @property
    def sure(self) -> Mask:
        """Rows that are acknowledged and that nobody asked to delete."""
        mask: Mask = (self.table["answered"] != NEVER) & (self.table["doomed"] == NEVER)
        return mask


class Ledger:
    """All rows of a collection that may be there. Threads may use it at the same time."""

    def __init__(self, layout: RowLayout) -> None:
        self._lock = threading.Lock()
        self._table: Any = np.zeros(1024, _ROW)
        self._vectors: Vectors = np.empty((1024, layout.width), layout.dtype)
        self._count = 0
        self._dropping: dict[int, int] = {}
        """Partitions that are to be dropped or were, and since when."""

    def rows(self) -> Rows:
        with self._lock:
            return Rows(self._table[: self._count].copy(), self._vectors[: self._count])

    @property
    def living(self) -> int:
        with self._lock:
            return int(np.count_nonzero(self._so_far().sure))

    def _so_far(self) -> Rows:
        return Rows(self._table[: self._count], self._vectors[: self._count])

    def begin_insert(self, partition: int, vectors: Vectors, ids: Ids | None) -> Places:
        """Note rows before they are sent; return their places, int64 (n,)."""
        with self._lock:
            start, end = self._count, self._count + len(vectors)
            while end > len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
                self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            fresh = self._table[start:end]
            for name in _MOMENTS:
                fresh[name] = NEVER
            fresh["id"] = NO_ID if ids is None else ids
            fresh["partition"], fresh["begun"] = partition, moment()
            self._vectors[start:end] = vectors
            self._count = end
            return np.arange(start, end)

    def answer_insert(self, places: Places, ids: Ids) -> None:
        with self._lock:
            self._table["id"][places] = ids
            self._table["answered"][places] = moment()
            partition = int(self._table["partition"][places[0]])
            doomed = self._table["doomed"][places]
            since = self._dropping.get(partition, NEVER)
            self._table["doomed"][places] = np.minimum(doomed, since)

    def refuse_insert(self, places: Places) -> None:
        """Note that the rows were never there."""
        with self._lock:
            for name in ("answered", "doomed", "doom_answered", "gone"):
                self._table[name][places] = moment()

    def name(self, places: Places, ids: Ids) -> None:
        """Note ids of rows whose Insert was not answered."""
        with self._lock:
            self._table["id"][places] = ids

    def begin_delete(
        self, random: np.random.Generator, most: int, partition: int | None = None
    ) -> Places:
        """Choose rows to delete and note that; return their places."""
        with self._lock:
            rows = self._so_far()
            sure = rows.sure
            if partition is not None:
                sure &= rows.table["partition"] == partition
            places = np.flatnonzero(sure)
            chosen = random.choice(places, min(most, len(places)), replace=False)
            self._table["doomed"][chosen] = moment()
            return chosen.astype(np.int64)

    def answer_delete(self, places: Places) -> None:
        with self._lock:
            self._table["doom_answered"][places] = moment()

    def ids(self, places: Places) -> Ids:
        with self._lock:
            found: Ids = self._table["id"][places]
            return found

    def flushed(self, sent: int) -> None:
        """Note that a Flush was answered that was sent at that moment."""
        with self._lock:
            table, now = self._table[: self._count], moment()
            for asked, done in (("answered", "seen"), ("doom_answered", "gone")):
                fresh = (table[asked] < sent) & (table[done] == NEVER)
                table[done][fresh] = now

    def begin_drop(self, partitions: Sequence[int]) -> None:
        """Note that these partitions are to be dropped, with all that is inserted until then."""
        with self._lock:
            now, table = moment(), self._table[: self._count]
            self._dropping |= dict.fromkeys(partitions, now)
            # An Insert that was not answered stays in doubt by itself.
            going = np.isin(table["partition"], partitions) & self._so_far().sure
            table["doomed"][going] = now

    def answer_drop(self, partitions: Sequence[int]) -> None:
        with self._lock:
            now, table = moment(), self._table[: self._count]
            gone = np.isin(table["partition"], partitions) & (table["gone"] == NEVER)
            for name in ("doomed", "doom_answered", "gone"):
                table[name][gone] = np.minimum(table[name][gone], now)

    def settle(self, present: Mask) -> None:
        """Keep only the rows that are there, all others are gone; nothing may be under way."""
        with self._lock:
            kept = self._table[: self._count][present]
            vectors = self._vectors[: self._count][present]
            now = moment()
            kept["answered"], kept["seen"] = now, now
            for name in ("doomed", "doom_answered", "gone"):
                kept[name] = NEVER
            self._dropping = {}
            self._count = len(kept)
            self._table[: self._count], self._vectors[: self._count] = kept, vectors
