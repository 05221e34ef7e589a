"""What the soak's oracle takes for an answer, and what it does not."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from quiver_engine.model import IndexType, Metric
from soak import checking, distances, growth
from soak.checking import Asked
from soak.client import Found
from soak.growth import Sample
from soak.kinds import KINDS
from soak.ledger import Ledger, moment

TOPK = 5
AT_REST: dict[str, Any] = {
    "anonymous_mib": 50.0,
    "threads": 20,
    "descriptors": 15,
    "segment_descriptors": 9,
    "disk_mib": 10.0,
    "log_mib": 1.0,
}
L2 = next(kind for kind in KINDS if kind.metric is Metric.L2)
RANDOM = np.random.default_rng(5)


def ledger_of(count: int = 50) -> Ledger:
    """Rows with the ids 1 to `count`, acknowledged and flushed."""
    ledger = Ledger(L2.layout)
    ids = np.arange(1, count + 1)
    ledger.answer_insert(ledger.begin_insert(1, L2.draw(RANDOM, count), ids), ids)
    ledger.flushed(moment())
    return ledger


def asked(start: int, end: int, type_: IndexType = IndexType.FLAT) -> Asked:
    return Asked(L2.metric, L2.draw(np.random.default_rng(9), 3), TOPK, start, end, {type_})


def exact(ledger: Ledger, of: Asked, without: tuple[int, ...] = ()) -> Found:
    """The answer of an engine that has all rows but some."""
    rows = ledger.rows()
    rows = rows.where(~np.isin(rows.table["id"], without))
    places = checking.nearest(rows, of)
    far = distances.exact(of.metric, of.queries, rows.vectors)
    told = np.take_along_axis(far, places, axis=1).astype(np.float32)
    return Found(rows.table["id"][places], told)


def drop_the_best(found: Found) -> Found:
    ids, far = np.roll(found.ids, -1, axis=1), np.roll(found.distances, -1, axis=1)
    ids[:, -1], far[:, -1] = -1, np.finfo(np.float32).max
    return Found(ids, far)


def say_one_twice(found: Found) -> Found:
    found.ids[:, 1], found.distances[:, 1] = found.ids[:, 0], found.distances[:, 0]
    return found


def swap_two(found: Found) -> Found:
    return Found(found.ids[:, [1, 0, 2, 3, 4]], found.distances[:, [1, 0, 2, 3, 4]])


def be_off(found: Found) -> Found:
    return found._replace(distances=found.distances * np.float32(1.001))


def invent_an_id(found: Found) -> Found:
    found.ids[0, 2] = 4711
    return found


def find_nothing(_: Found) -> Found:
    return Found(np.empty((0, 0), np.int64), np.empty((0, 0), np.float32))


def test_the_exact_answer_is_right() -> None:
    """An engine that answers from all rows is not accused."""
    ledger = ledger_of()
    of = asked(moment(), moment())
    assert checking.wrong(ledger.rows(), of, exact(ledger, of)) is None


@pytest.mark.parametrize(
    "lie", [drop_the_best, say_one_twice, swap_two, be_off, invent_an_id, find_nothing]
)
@pytest.mark.parametrize("type_", [IndexType.FLAT, IndexType.HNSW])
def test_a_wrong_answer_is_found(lie: Callable[[Found], Found], type_: IndexType) -> None:
    """A result that is left out, doubled, misplaced, too far or made up is found out."""
    ledger = ledger_of()
    of = asked(moment(), moment(), type_)
    answer = lie(exact(ledger, of))
    assert checking.wrong(ledger.rows(), of, answer)


def test_a_near_row_that_is_missing_is_found_unless_the_index_is_approximate() -> None:
    """A full answer without the nearest row is wrong of an exact index, not of a graph."""
    ledger = ledger_of()
    of = asked(moment(), moment())
    answer = exact(ledger, of, without=(int(exact(ledger, of).ids[0, 0]),))
    assert "is missing" in (checking.wrong(ledger.rows(), of, answer) or "")
    graph = dataclasses.replace(of, indexes={IndexType.HNSW})
    assert checking.wrong(ledger.rows(), graph, answer) is None


def test_a_row_whose_deletion_overlaps_may_show_or_not() -> None:
    """Before its deletion is flushed a row may be found; once it is, it must not; both are told."""
    ledger = ledger_of()
    first = asked(moment(), moment())
    with_all = exact(ledger, first)
    rows = ledger.begin_delete(RANDOM, 50)
    during = asked(moment(), moment())
    assert checking.wrong(ledger.rows(), during, with_all) is None
    assert checking.wrong(ledger.rows(), during, find_nothing(with_all)) is None
    ledger.answer_delete(rows)
    ledger.flushed(moment())
    after = asked(moment(), moment())
    assert checking.wrong(ledger.rows(), after, find_nothing(with_all)) is None
    assert "no row" in (checking.wrong(ledger.rows(), after, with_all) or "")


def test_a_row_must_be_seen_only_after_a_flush_that_followed_its_insert() -> None:
    """A Flush that was sent before an Insert was answered promises nothing of its rows."""
    ledger, ids = Ledger(L2.layout), np.arange(1, 51)
    of = asked(moment(), moment())
    places = ledger.begin_insert(1, L2.draw(RANDOM, 50), ids)
    assert "no row" not in (
        checking.wrong(ledger.rows(), of, find_nothing(exact(ledger, of))) or ""
    )
    sent = moment()
    ledger.answer_insert(places, ids)
    ledger.flushed(sent)
    early = asked(moment(), moment())
    assert checking.wrong(ledger.rows(), early, find_nothing(exact(ledger, early))) is None
    ledger.flushed(moment())
    late = asked(moment(), moment())
    assert checking.wrong(ledger.rows(), late, find_nothing(exact(ledger, late)))


def test_growth_over_its_bound_is_found() -> None:
    """Figures at rest that rise over one life of the engine are told apart from noise."""

    def mark(number: int, step: float) -> Sample:
        sample = Sample(number, 1, 99, is_mark=True, rss_mib=99 + number % 3, **AT_REST)
        return dataclasses.replace(sample, anonymous_mib=50 + number * step)

    def marks(step: float) -> list[Sample]:
        return [mark(number, step) for number in range(12)]

    assert all(compared.is_within for compared in growth.compare(marks(0.1)))
    over = [c.bound.figure for c in growth.compare(marks(10)) if not c.is_within]
    assert over == ["anonymous_mib"]
