"""Inserts and deletes, noted in the ledger before they are sent and once they are answered."""

import numpy as np

from quiver_engine.model import DEFAULT_TAG, Ids
from quiver_proto import milvus_pb2 as pb
from soak.ledger import moment
from soak.run import Run
from soak.subject import Subject
from support.milvus1_client import Refused

NOBODY = 1 << 60
"""An id that no row has."""
_DEFAULT_SHARE, _ONE_SHARE = 0.7, 0.3
_GONE = (pb.COLLECTION_NOT_EXISTS, pb.UNEXPECTED_ERROR)


def create(run: Run, subject: Subject) -> None:
    """Create a collection that is not there."""
    subject.new_partition(DEFAULT_TAG)
    subject.is_there = None
    run.called("create_collection")
    run.client.create(subject.name, subject.kind)
    subject.created(DEFAULT_TAG)
    subject.is_there = True


def insert(run: Run, subject: Subject, random: np.random.Generator, count: int) -> None:
    """Insert rows into any partition, and check the ids of the answer."""
    vectors = subject.kind.draw(random, count)
    with subject.writing():
        start, there = moment(), dict(subject.partitions)
        if not there:
            return
        takes_default = DEFAULT_TAG in there and random.random() < _DEFAULT_SHARE
        tag = DEFAULT_TAG if takes_default else str(random.choice(list(there)))
        ids, largest = subject.take_ids(count), subject.largest_id
        places = subject.ledger.begin_insert(there[tag], vectors, ids)
        run.called("insert")
        try:
            told = run.client.insert(subject.name, tag, vectors, ids)
        except Refused as error:
            subject.bends(start, error, *_GONE)
            subject.ledger.refuse_insert(places)
            return
        if what := _wrong_ids(told, ids, largest, count):
            run.complain(f"insert of {count} rows into {subject.name}", what)
            return
        subject.ledger.answer_insert(places, told)
        subject.note_ids(told)


def _wrong_ids(told: Ids, ids: Ids | None, largest: int, count: int) -> str | None:
    if ids is not None:
        is_right = np.array_equal(told, ids)
        return None if is_right else f"asked for ids {ids[:5]}…, got {told[:5]}…"
    if len(np.unique(told)) == count and told.min() > largest:
        return None
    return f"{count} new ids above {largest} are due, got {told[:5]}…{told[-1:]}"


def delete(run: Run, subject: Subject, random: np.random.Generator, most: int) -> None:
    """Delete some rows, those of one partition now and then."""
    with subject.writing():
        start, there = moment(), dict(subject.partitions)
        tag = str(random.choice(["", *there])) if random.random() < _ONE_SHARE else ""
        places = subject.ledger.begin_delete(random, most, there.get(tag))
        ids = subject.ledger.ids(places)
        run.called("delete")
        try:
            run.client.delete(subject.name, tag, np.append(ids, NOBODY))
        except Refused as error:
            # Then the rows go, or went, with their partition.
            subject.bends(start, error, *_GONE)
            return
        subject.ledger.answer_delete(places)
        subject.free_ids(ids)


def flush(run: Run, subject: Subject) -> None:
    sent = moment()
    run.called("flush")
    run.client.flush(subject.name)
    subject.ledger.flushed(sent)
