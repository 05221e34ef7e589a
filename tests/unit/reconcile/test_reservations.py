"""Room that is chosen is nobody else's, until it is claimed or given up."""

from quiver.domain.objects import Key
from quiver.reconcile.collections.reservations import Reservations

ENGINE, OTHER = Key("team-a", "engine"), Key("team-a", "other")
A, B = Key("team-a", "a"), Key("team-a", "b")


def test_room_that_is_set_aside_counts_as_taken() -> None:
    """Whoever is placed meanwhile sees it as load of that member, and of no other engine's."""
    reservations = Reservations()
    reservations.reserve(A, ENGINE, "engine-0", 2)
    reservations.reserve(B, ENGINE, "engine-1", 1)
    assert reservations.added_to({"engine-0": 5}, ENGINE) == {"engine-0": 7, "engine-1": 1}
    assert reservations.added_to({"engine-0": 5}, OTHER) == {"engine-0": 5}


def test_room_that_is_given_up_is_free_again() -> None:
    """Once it is claimed, the claim counts instead; giving up twice is giving up."""
    reservations = Reservations()
    reservations.reserve(A, ENGINE, "engine-0", 2)
    for _ in range(2):
        reservations.release(A)
    assert reservations.added_to({"engine-0": 5}, ENGINE) == {"engine-0": 5}
