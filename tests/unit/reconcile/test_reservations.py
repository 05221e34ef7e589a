"""Rooms and names that are chosen are nobody else's, until they are claimed or given up."""

from typing import Any

from quiver.domain.claims import places_of
from quiver.domain.kubernetes_types import Key
from quiver.domain.placement import NO_LOAD, Load
from quiver.reconcile.collections.reservations import Reservations, Wish
from support.builders import claim

ENGINE, OTHER = Key("team-a", "engine"), Key("team-a", "other")
A, B = Key("team-a", "a"), Key("team-b", "b")
FIVE = Load({"engine-0": 5}, {"team-a": 4, "team-b": 1})
ENDPOINT = "milvus.example.org:19530"


def wish(name: str = "docs", *, of: Key = ENGINE, size: int = 2, **claimed: Any) -> Wish:
    held = claim(name, engine=of.name, **claimed)
    return Wish(of, held.member, places_of(held, of), size)


def reserved(*wishes: Wish) -> Reservations:
    """Return reservations that hold A's wishes alone."""
    reservations = Reservations()
    for wished in wishes or (wish(),):
        reservations.reserve(A, wished)
    return reservations


def test_room_that_is_set_aside_counts_as_taken() -> None:
    """Whoever is placed meanwhile sees it as load of that member, of the object's namespace, and of
    no other engine's; the object itself does not count its own.
    """
    reservations = reserved()
    seven = Load({"engine-0": 7}, {"team-a": 6, "team-b": 1})
    assert reservations.added_to(FIVE, ENGINE, B) == seven
    assert reservations.added_to(FIVE, OTHER, B) == FIVE
    assert reservations.added_to(FIVE, ENGINE, A) == FIVE


def test_a_name_that_is_set_aside_is_taken_in_its_engine() -> None:
    """Another object that wants it is told whose it is going to be; other names are free."""
    reservations = reserved()
    assert reservations.rival(B, wish(member="engine-1")) == A
    assert reservations.rival(B, wish("images")) is None
    assert reservations.rival(B, wish(of=OTHER, member="other-0")) is None
    assert reservations.rival(A, wish()) is None


def test_a_name_is_taken_for_all_engines_that_lead_to_the_server() -> None:
    """Two VectorEngines may list one endpoint, or one server by two names: there the name can be
    only one object's.
    """
    reservations = reserved(wish(member=ENDPOINT, server="instance:0123"))
    assert reservations.rival(B, wish(of=OTHER, member=ENDPOINT)) == A
    by_address = {"of": OTHER, "member": "10.0.0.9:19530"}
    assert reservations.rival(B, wish(**by_address, server="instance:0123")) == A
    assert reservations.rival(B, wish(**by_address, server="instance:4567")) is None


def test_what_may_have_been_claimed_stays_set_aside_beside_the_next_choice() -> None:
    """An object whose first claim got no answer may hold it, wherever it is placed next."""
    reservations = reserved(wish(), wish(member="engine-1"))
    taken = reservations.added_to(NO_LOAD, ENGINE, B)
    assert taken == Load({"engine-0": 2, "engine-1": 2}, {"team-a": 4})


def test_a_claim_counts_instead_of_what_was_set_aside_for_it() -> None:
    """Collection and partitions are load by their claim from then on: none is counted twice."""
    reservations = reserved(wish(size=3))
    reservations.claimed(A)
    assert reservations.added_to(FIVE, ENGINE, B).members == FIVE.members
    assert reservations.rival(B, wish()) == A


def test_what_is_given_up_is_free_again() -> None:
    """Once all of it counts, or nothing came of it; giving up twice is giving up."""
    reservations = reserved()
    for _ in range(2):
        reservations.release(A)
    assert reservations.added_to(FIVE, ENGINE, B) == FIVE
    assert reservations.rival(B, wish()) is None
