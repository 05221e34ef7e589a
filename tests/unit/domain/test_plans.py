"""How bad a change is, and what a pipeline learns of it."""

from typing import Any

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key
from quiver.domain.merging import applying_patch
from quiver.domain.plans import Action, Change, Exit, Stake, by_danger, exit_of
from quiver.domain.row_sizes import RowSize


def change(name: str, action: Action, rows: int | str | None = "", **rest: Any) -> Change:
    stakes = () if isinstance(rows, str) else (Stake(name, rows, RowSize(40)),)
    key = Key("default", name)
    return Change(kind=VECTOR_COLLECTION, key=key, action=action, stakes=stakes, **rest)


WORST_FIRST = (
    change("many", Action.DROP, 9),
    change("few", Action.CHANGE, 2),
    change("silent", Action.DROP, None),
    change("refused", Action.REFUSED),
    change("empty", Action.DROP, 0),
    change("index", Action.CHANGE, interrupts=True),
    change("adopted", Action.ADOPT),
    change("new", Action.CREATE),
    change("same", Action.NONE, is_change=False),
)


def test_the_worst_comes_first() -> None:
    assert by_danger(reversed(WORST_FIRST)) == list(WORST_FIRST)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((), Exit.NOTHING),
        ((change("a", Action.NONE, is_change=False),), Exit.NOTHING),
        ((change("a", Action.CREATE),), Exit.CHANGES),
        ((change("a", Action.CREATE), change("b", Action.REFUSED)), Exit.DESTRUCTIVE),
        ((change("a", Action.CHANGE, 0),), Exit.DESTRUCTIVE),
        ((change("a", Action.DROP, 9), change("b", Action.UNKNOWN)), Exit.ERROR),
        ((change("a", Action.DROP, None),), Exit.ERROR),
    ],
)
def test_the_exit_code_says_the_worst(changes: tuple[Change, ...], code: Exit) -> None:
    assert exit_of(changes) is code


def test_what_was_applied_and_is_written_no_more_is_taken_away() -> None:
    """As `kubectl apply` does it without --server-side."""
    last = '{"spec": {"index": {"type": "HNSW"}, "partitions": ["a"], "dimension": 8}}'
    wanted = {"spec": {"partitions": [], "dimension": 8}}
    assert applying_patch(last, wanted) == {
        "spec": {"index": None, "partitions": [], "dimension": 8}
    }
    assert applying_patch("no JSON", wanted) == wanted
