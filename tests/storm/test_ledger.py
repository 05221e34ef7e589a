"""What the storm's ledger holds Quiver to, and what it does not."""

from typing import Any

import pytest

from storm.ledger import DEFAULT, Ledger, Wish

ENDPOINT = "192.0.2.1:19530"
PLACE = (ENDPOINT, "books")


def placed(ledger: Ledger, uid: str = "1", **spec: Any) -> Wish:
    """An object that was created, seen Ready, and got two rows in each of two partitions."""
    ledger.created("books", uid, {"partitions": ["red"], "deletionPolicy": "Delete", **spec})
    wish = ledger.wishes["books"]
    see(ledger, wish)
    ledger.inserted(wish, DEFAULT, [1, 2])
    ledger.inserted(wish, "red", [3, 4])
    return wish


def see(ledger: Ledger, wish: Wish, endpoint: str = ENDPOINT, origin: str = "Created") -> None:
    status = {"placement": {"endpoint": endpoint}, "origin": origin}
    ledger.seen(wish, status, ready=True)


def test_a_retained_collection_must_stay_with_its_rows() -> None:
    """Deleting with Retain leaves the collection and every acknowledged row to be accounted for."""
    ledger = Ledger()
    wish = placed(ledger, deletionPolicy="Retain")
    ledger.deleted(wish)
    ledger.gone(wish)
    assert ledger.kept == {PLACE: {DEFAULT: {1, 2}, "red": {3, 4}}}
    assert ledger.wrong == []


def test_a_later_object_that_adopts_nothing_cannot_drop_it() -> None:
    """The next object of the name, deleted with Delete, does not excuse its loss."""
    ledger = Ledger()
    first = placed(ledger, deletionPolicy="Retain")
    ledger.deleted(first)
    ledger.gone(first)
    ledger.created("books", "2", {"deletionPolicy": "Delete", "adoptionPolicy": "Never"})
    second = ledger.wishes["books"]
    ledger.deleted(second)
    ledger.gone(second)
    assert PLACE in ledger.kept


def test_an_object_that_adopted_it_may_drop_it() -> None:
    """Once adopted, it goes with the object that adopted it."""
    ledger = Ledger()
    first = placed(ledger, deletionPolicy="Retain")
    ledger.deleted(first)
    ledger.gone(first)
    adopting = {"deletionPolicy": "Delete", "adoptionPolicy": "IfIdentical", "partitions": []}
    ledger.created("books", "2", adopting)
    second = ledger.wishes["books"]
    see(ledger, second, origin="Adopted")
    assert second.rows == {DEFAULT: {1, 2}, "red": {3, 4}}
    ledger.deleted(second)
    assert ledger.kept == {}


def test_a_partition_taken_off_the_list_gives_up_its_rows_only() -> None:
    """The rows of other partitions must still be there."""
    ledger = Ledger()
    wish = placed(ledger)
    ledger.edited(wish, {**wish.spec, "partitions": []})
    assert wish.rows == {DEFAULT: {1, 2}}


def test_a_partition_taken_off_the_list_with_retain_keeps_them() -> None:
    """With Retain nothing was asked away, until the policy changes."""
    ledger = Ledger()
    wish = placed(ledger, deletionPolicy="Retain")
    ledger.edited(wish, {**wish.spec, "partitions": []})
    assert wish.rows["red"] == {3, 4}
    ledger.edited(wish, {**wish.spec, "deletionPolicy": "Delete"})
    assert wish.rows == {DEFAULT: {1, 2}}


@pytest.mark.parametrize("policy", ["Delete", "DeleteIfEmpty"])
def test_an_object_that_goes_unasked_is_complained_of(policy: str) -> None:
    """Nobody deleted it."""
    ledger = Ledger()
    ledger.gone(placed(ledger, deletionPolicy=policy))
    assert ledger.wrong == ["books is gone, and nobody deleted it"]


def test_delete_if_empty_holds_an_object_with_rows() -> None:
    """If it goes all the same, its rows went unasked."""
    ledger = Ledger()
    wish = placed(ledger, deletionPolicy="DeleteIfEmpty")
    ledger.deleted(wish)
    ledger.gone(wish)
    assert ledger.wrong == ["books is gone, though DeleteIfEmpty and 4 rows"]


def test_an_object_that_moves_is_complained_of() -> None:
    """Vectors do not move between members."""
    ledger = Ledger()
    wish = placed(ledger)
    see(ledger, wish, endpoint="192.0.2.2:19530")
    assert ledger.wrong == [f"books moved from {ENDPOINT} to 192.0.2.2:19530"]


def test_nothing_is_certain_once_a_drop_went_unanswered() -> None:
    """It may take effect at any time, so rows inserted later prove nothing."""
    ledger = Ledger()
    wish = placed(ledger)
    ledger.dropped_behind(wish, certain=False)
    ledger.inserted(wish, DEFAULT, [5])
    assert wish.rows == {}
