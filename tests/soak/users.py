"""Users: each calls whatever comes into its head, notes what it asked, and checks the answer."""

import threading
from collections.abc import Callable

import grpc
import numpy as np

from quiver_engine.model import DEFAULT_TAG, IndexType, Vectors
from quiver_proto import milvus_pb2 as pb
from soak import checking, writes
from soak.kinds import FLAT, LISTS
from soak.ledger import moment
from soak.run import Run
from soak.subject import TAGS, Subject
from soak.writes import NOBODY
from support.milvus1_client import Refused

LARGE_INSERT = 2000
_GET_IDS = 50
_EF = 64

Operation = Callable[[Subject], None]


class User(threading.Thread):
    """Calls until the round is over, or the engine ends."""

    def __init__(self, run: Run, random: np.random.Generator) -> None:
        super().__init__(daemon=True)
        self._run = run
        self._random = random
        self._operations: dict[Operation, float] = {
            self.search: 40,
            self.get: 8,
            self.count: 8,
            self.flush: 6,
            self.compact: 1.5,
            self.create_index: 0.8,
            self.drop_index: 0.2,
            self.create_partition: 1,
            self.drop_partition: 0.3,
            self.recreate: 0.08,
        }

    def run(self) -> None:
        self._operations[self.insert] = 20 if self._run.is_growing else 8
        self._operations[self.delete] = 8 if self._run.is_growing else 20
        if not self._run.flushes:
            self._operations |= {self.flush: 0.2, self.create_index: 0.05}
        while not self._run.round_is_over.is_set() and not self._run.is_lost:
            weights = np.array(list(self._operations.values()))
            which = self._random.choice(len(weights), p=weights / weights.sum())
            operation = list(self._operations)[which]
            subject = self._run.subjects[self._random.integers(len(self._run.subjects))]
            if not self._goes_on(operation, subject):
                return

    def _goes_on(self, operation: Operation, subject: Subject) -> bool:
        name = operation.__name__
        try:
            operation(subject)
        except (grpc.RpcError, Refused) as error:
            self._run.left_open(name)
            if self._run.ending.is_set():
                return False
            self._complain(subject, name, f"it failed: {error}")
        except Exception as error:
            self._complain(subject, name, f"the soak itself failed: {error!r}")
            raise
        return True

    def _complain(self, subject: Subject, call: str, what: str) -> None:
        self._run.complain(f"{call} of {subject.name}", what)

    def insert(self, subject: Subject) -> None:
        if subject.ledger.living >= self._run.options.high:
            return
        is_large = self._random.random() < 0.05
        count = LARGE_INSERT if is_large else int(self._random.integers(1, 400))
        writes.insert(self._run, subject, self._random, count)

    def delete(self, subject: Subject) -> None:
        spare = subject.ledger.living - self._run.options.low
        if spare > 0:
            most = min(spare, int(self._random.integers(1, 500)))
            writes.delete(self._run, subject, self._random, most)

    def flush(self, subject: Subject) -> None:
        sent = moment()
        try:
            writes.flush(self._run, subject)
        except Refused as error:
            subject.bends(sent, error, pb.COLLECTION_NOT_EXISTS)

    def compact(self, subject: Subject) -> None:
        sent = moment()
        self._run.called("compact")
        try:
            self._run.client.compact(subject.name)
        except Refused as error:
            subject.bends(sent, error, pb.COLLECTION_NOT_EXISTS)

    def create_index(self, subject: Subject) -> None:
        indexes = subject.kind.indexes
        is_usual = self._random.random() < 0.7
        index = indexes[0 if is_usual else self._random.integers(len(indexes))]
        call = lambda: self._run.client.create_index(subject.name, index)  # noqa: E731
        self._index(subject, index.type, call)

    def drop_index(self, subject: Subject) -> None:
        self._index(subject, FLAT.type, lambda: self._run.client.drop_index(subject.name))

    def _index(self, subject: Subject, type_: IndexType, call: Callable[[], None]) -> None:
        if not subject.index_lock.acquire(blocking=False):
            return
        try:
            had = subject.indexing(type_)
            self._run.called("drop_index" if type_ is FLAT.type else "create_index")
            try:
                call()
            except Refused as error:
                codes = pb.COLLECTION_NOT_EXISTS, pb.BUILD_INDEX_ERROR
                subject.bends(had.begun, error, *codes)
                subject.indexed(had, is_certain=False)
            else:
                subject.indexed(had)
        finally:
            subject.index_lock.release()

    def create_partition(self, subject: Subject) -> None:
        with subject.change_lock, subject.creating():
            free = [tag for tag in TAGS if tag not in subject.partitions]
            if not free:
                return
            tag = str(self._random.choice(free))
            subject.new_partition(tag)
            self._run.called("create_partition")
            self._run.client.create_partition(subject.name, tag)
            subject.created(tag)

    def drop_partition(self, subject: Subject) -> None:
        with subject.change_lock:
            there = [tag for tag in subject.partitions if tag != DEFAULT_TAG]
            if not there:
                return
            tag = str(self._random.choice(there))
            with subject.dropping(tag):
                self._run.called("drop_partition")
                self._run.client.drop_partition(subject.name, tag)

    def recreate(self, subject: Subject) -> None:
        # Until it is there again, writers may have to be waited for.
        with subject.change_lock, subject.changing():
            had = subject.indexing(FLAT.type)
            with subject.dropping(None):
                subject.is_there = None
                self._run.called("drop_collection")
                self._run.client.drop(subject.name)
            subject.indexed(had)
            subject.is_there = False
            with subject.creating():
                writes.create(self._run, subject)

    def count(self, subject: Subject) -> None:
        start = moment()
        self._run.called("count")
        try:
            told = self._run.client.count(subject.name)
        except Refused as error:
            subject.bends(start, error, pb.COLLECTION_NOT_EXISTS)
            return
        end, rows = moment(), subject.ledger.rows()
        least = int(rows.must_show(start, end).sum())
        most = int(rows.may_show(start, end).sum())
        if not least <= told <= most:
            self._complain(subject, "count", f"{told}, expected {least} to {most}")

    def get(self, subject: Subject) -> None:
        known = subject.ledger.rows().table["id"]
        known = np.unique(known[known > 0])
        some = self._random.choice(known, min(len(known), _GET_IDS), replace=False)
        ids = np.append(some, NOBODY).astype(np.int64)
        start = moment()
        self._run.called("get")
        try:
            told = self._run.client.vectors(subject.name, ids)
        except Refused as error:
            rows = subject.ledger.rows()
            is_empty = not rows.must_show(start, moment()).any()
            if error.code != pb.UNEXPECTED_ERROR or not is_empty:
                subject.bends(start, error, pb.COLLECTION_NOT_EXISTS)
            return
        window = (start, moment())
        rows = subject.ledger.rows()
        if len(told) != len(ids):
            self._complain(subject, "get", f"{len(told)} answers for {len(ids)} ids")
        for id_, vector in zip(ids.tolist(), told, strict=False):
            if what := checking.wrong_vector(rows.where(rows.table["id"] == id_), window, vector):
                self._complain(subject, "get", f"id {id_}: {what}")

    def search(self, subject: Subject) -> None:
        counts = (1, 1, int(self._random.integers(2, 20)), int(self._random.integers(20, 101)))
        queries = self._queries(subject, int(self._random.choice(counts)))
        topk = int(self._random.choice((1, 10, 50, 100)))
        tags = self._tags(subject)
        start = moment()
        self._run.called("search")
        params = {"nprobe": LISTS, "ef": max(_EF, topk)}
        try:
            found = self._run.client.search(subject.name, queries, topk, tags, params)
        except Refused as error:
            codes = (pb.COLLECTION_NOT_EXISTS, *([pb.UNEXPECTED_ERROR] if tags else []))
            subject.bends(start, error, *codes)
            return
        end, rows = moment(), subject.ledger.rows()
        rows = rows.where(subject.of_tags(rows, tags))
        indexes = subject.index_types(start, end)
        asked = checking.Asked(subject.kind.metric, queries, topk, start, end, indexes)
        if what := checking.wrong(rows, asked, found):
            call = f"search nq {len(queries)} topk {topk} tags {tags} at {start} to {end}"
            self._complain(subject, f"{call} {sorted(i.name for i in indexes)}", what)

    def _queries(self, subject: Subject, count: int) -> Vectors:
        """Return fresh vectors, half of the time with some in it that are rows."""
        queries = subject.kind.draw(self._random, count)
        rows = subject.ledger.rows().vectors
        if len(rows) and self._random.random() < 0.5:
            some = self._random.integers(len(rows), size=(count + 1) // 2)
            queries[: len(some)] = rows[some]
        return queries

    def _tags(self, subject: Subject) -> list[str]:
        if self._random.random() < 0.6:
            return []
        there = list(subject.partitions) or [DEFAULT_TAG]
        choices = [*([tag] for tag in there), ["p[0-9]", DEFAULT_TAG]]
        return choices[int(self._random.integers(len(choices)))]
