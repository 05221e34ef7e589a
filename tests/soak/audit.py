"""A look at everything while nobody calls: what is there is what was acknowledged, and no more.

After a restart each call that was not answered must have happened wholly or not at all.
"""

import time
from collections import defaultdict

import numpy as np

from quiver_engine.model import Ids, IndexType
from quiver_proto import milvus_pb2 as pb
from soak import checking, writes
from soak.kinds import LISTS
from soak.ledger import NEVER, NO_ID, Mask, Rows, moment
from soak.run import Run
from soak.subject import Subject
from support.milvus1_client import Refused

AUTO_FLUSH_S = 20.0
RECALL_FLOOR = 0.85
_LISTING_TRIES = 50
_IDS_AT_ONCE = 1000
_QUERIES, _TOPK = 20, 10


def audit(run: Run, random: np.random.Generator, *, after_restart: bool) -> dict[str, float]:
    """Look at every collection; return the recall of those with an approximate index."""
    recalls: dict[str, float] = {}
    for subject in run.subjects:
        if not run.client.has(subject.name):
            _absent(run, subject)
            continue
        if subject.is_there is False:
            run.complain(f"audit of {subject.name}", "it is there, and was dropped")
        subject.is_there = True
        tags = run.client.partitions(subject.name)
        if not subject.settle_partitions(tags):
            run.complain(f"audit of {subject.name}", f"it has the partitions {tags}")
        if after_restart or random.random() < 0.5:
            writes.flush(run, subject)
        else:
            _wait_for_automatic_flush(run, subject)
        _compare(run, subject, is_thorough=after_restart)
        recalls |= search(run, subject, random)
    return recalls


def _absent(run: Run, subject: Subject) -> None:
    if subject.is_there:
        run.complain(f"audit of {subject.name}", "it is gone, and nobody dropped it")
    subject.ledger.settle(np.zeros(len(subject.ledger.rows()), bool))
    subject.settle_partitions([])
    subject.settle_index(IndexType.FLAT)
    writes.create(run, subject)


def _wait_for_automatic_flush(run: Run, subject: Subject) -> None:
    """Rows and deletions are seen without a Flush, each second."""
    sent, end = moment(), time.monotonic() + AUTO_FLUSH_S
    while not _is_all_seen(run, subject):
        if time.monotonic() > end:
            what = f"not all is seen after {AUTO_FLUSH_S:.0f} s without a Flush"
            run.complain(f"audit of {subject.name}", what)
            break
        time.sleep(0.1)
    subject.ledger.flushed(sent)


def _is_all_seen(run: Run, subject: Subject) -> bool:
    # Their number alone would not tell: as many may wait to be deleted as to be seen.
    rows, listed = subject.ledger.rows(), _listing(run, subject)
    due = {n: rows.sure & (rows.table["partition"] == n) for n in listed}
    return all(
        np.array_equal(np.sort(rows.table["id"][due[number]]), np.sort(ids))
        for number, ids in listed.items()
    )


def _compare(run: Run, subject: Subject, *, is_thorough: bool) -> None:
    call = f"audit of {subject.name}"
    listed = _listing(run, subject)
    rows = subject.ledger.rows()
    _name_doubtful_rows(run, subject, rows, listed)
    is_listed = _is_listed(rows, listed)
    expected = rows.sure
    # What went with its partition tells nothing of other calls that are in doubt.
    is_somewhere = np.isin(rows.table["partition"], list(listed))
    for column, answered in (("begun", "answered"), ("doomed", "doom_answered")):
        is_doubtful = (rows.table[column] != NEVER) & (rows.table[answered] == NEVER)
        for begun in np.unique(rows.table[column][is_doubtful]):
            group = is_doubtful & is_somewhere & (rows.table[column] == begun)
            here = int(np.count_nonzero(is_listed & group))
            if here not in (0, group.sum()):
                what = f"of {group.sum()} rows of one unanswered call {here} are there ({column})"
                run.complain(call, what)
            expected[group] = is_listed[group]
    for number, ids in listed.items():
        due = rows.table["id"][expected & (rows.table["partition"] == number)]
        if not np.array_equal(np.sort(due), np.sort(ids)):
            lost, strange = np.setdiff1d(due, ids), np.setdiff1d(ids, due)
            what = f"{len(ids)} rows, not {len(due)}: {len(lost)} lost, such as {lost[:5]}"
            run.complain(call, f"{what}; {len(strange)} too many, such as {strange[:5]}")
    told = run.client.count(subject.name)
    if told != expected.sum():
        run.complain(call, f"CountCollection says {told}, {expected.sum()} rows are due")
    subject.ledger.settle(expected)
    if not subject.settle_index(type_ := IndexType(run.client.index_type(subject.name))):
        run.complain(call, f"it has the index {type_.name}, which was not asked for last")
    _compare_vectors(run, subject, is_thorough=is_thorough)


def _listing(run: Run, subject: Subject) -> dict[int, Ids]:
    """Return all ids by partition; a merge may take a segment away meanwhile, then all anew."""
    for _ in range(_LISTING_TRIES):
        ids: dict[int, list[Ids]] = defaultdict(list)
        try:
            for tag, segment in run.client.segments(subject.name):
                number = subject.partitions[tag]
                ids[number].append(run.client.ids_of(subject.name, segment["name"]))
        except Refused as error:
            if error.code != pb.UNEXPECTED_ERROR:
                raise
            continue
        nothing = np.empty(0, np.int64)
        numbers = subject.partitions.values()
        return {number: np.concatenate([nothing, *ids[number]]) for number in numbers}
    raise TimeoutError(f"the segments of {subject.name} changed {_LISTING_TRIES} times")


def _is_listed(rows: Rows, listed: dict[int, Ids]) -> Mask:
    is_listed = np.zeros(len(rows), bool)
    for number, ids in listed.items():
        is_listed |= (rows.table["partition"] == number) & np.isin(rows.table["id"], ids)
    return is_listed


def _name_doubtful_rows(run: Run, subject: Subject, rows: Rows, listed: dict[int, Ids]) -> None:
    """Find out the ids that the engine gave to rows without telling them, by their vectors."""
    unnamed = np.flatnonzero(rows.table["id"] == NO_ID)
    if not len(unnamed):
        return
    strange = np.setdiff1d(np.concatenate(list(listed.values())), rows.table["id"])
    by_vector = {}
    for start in range(0, len(strange), _IDS_AT_ONCE):
        some = strange[start : start + _IDS_AT_ONCE]
        for id_, vector in zip(some, run.client.vectors(subject.name, some), strict=True):
            by_vector[b"" if vector is None else vector.tobytes()] = id_
    for place in unnamed.tolist():
        rows.table["id"][place] = by_vector.get(rows.vectors[place].tobytes(), NO_ID)
    subject.ledger.name(unnamed, rows.table["id"][unnamed])


def _compare_vectors(run: Run, subject: Subject, *, is_thorough: bool) -> None:
    rows = subject.ledger.rows()
    starts = list(range(0, len(rows), _IDS_AT_ONCE))
    for start in starts if is_thorough else starts[-2:]:
        ids = rows.table["id"][start : start + _IDS_AT_ONCE]
        told = run.client.vectors(subject.name, ids)
        run.called("get")
        for id_, due, vector in zip(ids, rows.vectors[start:], told, strict=False):
            if vector is None or not np.array_equal(due, vector):
                what = f"id {id_} is {None if vector is None else vector[:4]}, not {due[:4]}"
                run.complain(f"audit of {subject.name}", what)
                break


def search(run: Run, subject: Subject, random: np.random.Generator) -> dict[str, float]:
    """Hold a search against all rows; return its recall by name of an approximate index."""
    queries, start = subject.kind.draw(random, _QUERIES), moment()
    params = {"nprobe": LISTS, "ef": 64}
    found = run.client.search(subject.name, queries, _TOPK, [], params)
    run.called("search")
    end = moment()
    rows, types = subject.ledger.rows(), subject.index_types(start, end)
    asked = checking.Asked(subject.kind.metric, queries, _TOPK, start, end, types)
    if what := checking.wrong(rows, asked, found):
        run.complain(f"search of {subject.name} in a quiet moment", what)
        return {}
    approximate = types & (checking.APPROXIMATE | checking.CODED)
    if not approximate or not found.ids.size:
        return {}
    rows = rows.where(rows.must_show(start, end))
    due = rows.table["id"][checking.nearest(rows, asked)]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(due, found.ids, strict=True))
    recall = hits / due.size
    if recall < RECALL_FLOOR:
        run.complain(f"search of {subject.name}", f"recall {recall:.3f} < {RECALL_FLOOR}")
    return {"/".join(sorted(type_.name for type_ in approximate)): recall}
