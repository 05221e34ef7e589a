"""Rooms and names that are chosen are nobody else's, until they are claimed or given up."""

from typing import Any

from quiver.domain.objects import Key
from quiver.reconcile.collections.reservations import Reservations, Wish

ENGINE, OTHER = Key("team-a", "engine"), Key("team-a", "other")
A, B = Key("team-a", "a"), Key("team-a", "b")
WISH = Wish(engine=ENGINE, member="engine-0", is_endpoint=False, name="docs", size=2)
EXTERNAL = WISH._replace(member="milvus:19530", is_endpoint=True)


def reserved(**changes: Any) -> Reservations:
    """Return reservations that hold A's wish alone."""
    reservations = Reservations()
    reservations.reserve(A, WISH._replace(**changes))
    return reservations


def test_room_that_is_set_aside_counts_as_taken() -> None:
    """Whoever is placed meanwhile sees it as load of that member, and of no other engine's; the
    object itself does not count its own.
    """
    reservations = reserved()
    assert reservations.added_to({"engine-0": 5}, ENGINE, B) == {"engine-0": 7}
    assert reservations.added_to({"engine-0": 5}, OTHER, B) == {"engine-0": 5}
    assert reservations.added_to({"engine-0": 5}, ENGINE, A) == {"engine-0": 5}


def test_a_name_that_is_set_aside_is_taken_in_its_engine() -> None:
    """Another object that wants it is told whose it is going to be; other names are free."""
    reservations = reserved()
    assert reservations.rival(B, WISH._replace(member="engine-1")) == A
    assert reservations.rival(B, WISH._replace(name="images")) is None
    assert reservations.rival(B, WISH._replace(engine=OTHER)) is None
    assert reservations.rival(A, WISH) is None


def test_a_name_is_taken_for_all_engines_that_list_the_endpoint() -> None:
    """Two VectorEngines may list one endpoint: there the name can be only one object's."""
    reservations = reserved(member=EXTERNAL.member, is_endpoint=True)
    assert reservations.rival(B, EXTERNAL._replace(engine=OTHER)) == A


def test_what_may_have_been_claimed_stays_set_aside_beside_the_next_choice() -> None:
    """An object whose first claim got no answer may hold it, wherever it is placed next."""
    reservations = reserved()
    reservations.reserve(A, WISH._replace(member="engine-1"))
    assert reservations.added_to({}, ENGINE, B) == {"engine-0": 2, "engine-1": 2}


def test_what_is_given_up_is_free_again() -> None:
    """Once it is claimed, the claim counts instead; giving up twice is giving up."""
    reservations = reserved()
    for _ in range(2):
        reservations.release(A)
    assert reservations.added_to({"engine-0": 5}, ENGINE, B) == {"engine-0": 5}
    assert reservations.rival(B, WISH) is None
