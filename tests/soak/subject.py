"""One collection as its users know it: rows, partitions, index, and what is in doubt of them."""

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from quiver_engine.model import DEFAULT_TAG, Ids, IndexType
from soak.kinds import Kind
from soak.ledger import NEVER, Ledger, Mask, Rows, moment
from support.milvus1_client import Refused

TAGS = ("p1", "p2", "p3", "q1")


@dataclass
class Had:
    """An index type that the collection may have had between two moments."""

    type: IndexType
    begun: int
    answered: int = NEVER
    ended: int = NEVER


class Subject:
    """`partitions` are there for sure, of those in `doubtful` it is not known; by tag, a number
    that no other partition has. `is_there`: None where that is not known.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.name
        self.ledger = Ledger(kind.layout)
        self.is_there: bool | None = False
        self.partitions: dict[str, int] = {}
        self.doubtful: dict[str, int] = {}
        self.largest_id = 0
        self._tags: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._free_ids: list[int] = []
        self._next_id = 1
        self._had = [Had(IndexType.FLAT, 0, 0)]
        self._changes: list[list[int]] = []
        self._lock = threading.Lock()
        self._turn = threading.Condition()
        self._writers = 0
        self.change_lock = threading.Lock()
        """Partitions come and go one at a time."""
        self.index_lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Beside other writers, and while no partition comes or goes."""
        with self._turn:
            self._writers += 1
        try:
            yield
        finally:
            with self._turn:
                self._writers -= 1
                self._turn.notify_all()

    @contextmanager
    def dropping(self, tag: str | None) -> Iterator[None]:
        """Beside writers a partition, or everything, is dropped: what they insert goes with it."""
        with self.changing():
            numbers = [n for known, n in self.partitions.items() if tag in (None, known)]
            for known in list(self.partitions) if tag is None else [tag]:
                self.doubtful[known] = self.partitions.pop(known)
            self.ledger.begin_drop(numbers)
            yield
            self.ledger.answer_drop(numbers)
            self.doubtful = {k: n for k, n in self.doubtful.items() if n not in numbers}

    @contextmanager
    def creating(self) -> Iterator[None]:
        """While no writer is under way: what it sends must not reach the partition to come."""
        with self._turn:
            while self._writers:
                self._turn.wait()
            with self.changing():
                yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Calls that overlap may be refused."""
        window = [moment(), NEVER]
        self._changes.append(window)
        yield
        window[1] = moment()

    def was_changing(self, start: int, end: int) -> bool:
        return any(began < end and ended > start for began, ended in list(self._changes))

    def bends(self, start: int, error: Refused, *codes: int) -> None:
        """Pass over a refusal that a change since then accounts for; raise any other."""
        if error.code not in codes or not self.was_changing(start, moment()):
            raise error

    def new_partition(self, tag: str) -> int:
        """Return the number of a partition that is about to be created."""
        number = next(self._numbers)
        self._tags[number] = tag
        self.doubtful[tag] = number
        return number

    def created(self, tag: str) -> None:
        self.partitions[tag] = self.doubtful.pop(tag)

    def of_tags(self, rows: Rows, tags: Sequence[str]) -> Mask:
        """Return which rows are in partitions that any of these expressions matches."""
        matching = [
            number
            for number, tag in list(self._tags.items())
            if not tags or any(re.fullmatch(wanted, tag) for wanted in tags)
        ]
        return np.isin(rows.table["partition"], matching)

    def take_ids(self, count: int) -> Ids | None:
        """Return ids for new rows, some of which were used and deleted; None if the engine does."""
        if not self.kind.has_own_ids:
            return None
        with self._lock:
            used = [self._free_ids.pop() for _ in range(min(count // 4, len(self._free_ids)))]
            start = self._next_id
            self._next_id += count - len(used)
            return np.array([*used, *range(start, self._next_id)], np.int64)

    def note_ids(self, ids: Ids) -> None:
        with self._lock:
            self.largest_id = max(self.largest_id, int(ids.max()))

    def free_ids(self, ids: Ids) -> None:
        """Give ids back whose rows' deletion was answered."""
        with self._lock:
            self._free_ids += ids.tolist()

    def indexing(self, type_: IndexType) -> Had:
        """Note that an index is about to be asked for."""
        had = Had(type_, moment())
        with self._lock:
            self._had.append(had)
        return had

    def indexed(self, had: Had, *, is_certain: bool = True) -> None:
        """Note that it was answered; it took the place of those answered before it began."""
        now = moment()
        with self._lock:
            had.answered = now
            for other in self._had if is_certain else ():
                if other is not had and other.answered < had.begun:
                    other.ended = min(other.ended, now)

    def index_types(self, start: int, end: int) -> frozenset[IndexType]:
        with self._lock:
            return frozenset(h.type for h in self._had if h.begun < end and h.ended > start)

    def settle_index(self, type_: IndexType) -> bool:
        """Note what index is there, in a quiet moment; return whether it may be."""
        now = moment()
        was_possible = type_ in self.index_types(now, now + 1)
        with self._lock:
            self._had = [Had(type_, now, now)]
            self._changes.clear()
        return was_possible

    def settle_partitions(self, tags: Sequence[str]) -> bool:
        """Note what partitions are there, in a quiet moment; return whether they may be."""
        known = {**self.doubtful, **self.partitions}
        may = set(self.partitions) <= set(tags) <= set(known)
        self.partitions = {tag: known[tag] for tag in tags if tag in known}
        self.doubtful = {}
        numbers = set(self.partitions.values())
        self._tags = {number: tag for number, tag in self._tags.items() if number in numbers}
        return may and DEFAULT_TAG in tags
