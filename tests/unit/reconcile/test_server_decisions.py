"""What is decided about a collection whose claim is of this server, or of another."""

from typing import Any

import msgspec
import pytest

from quiver.domain.claims import FINALIZER
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.reasons import Reason
from quiver.domain.servers import Server
from quiver.ports.errors import EngineUnreachable
from quiver.reconcile.collections.assignment import claim_for
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    CreateCollection,
    PublishEvent,
    RecordClaim,
    RecordLoss,
    ReplaceClaim,
)
from support.builders import claim, claimed, collection, engine
from support.gathered import FOUND, HELD, MEMBER, NEW_CLAIM, gathered, lapsed, unstamped


def test_a_claim_remembers_its_server_from_the_next_status_on() -> None:
    """One that was made before servers were told apart is no reason to write anything else."""
    decision = decide(gathered(unstamped(), observed=FOUND))
    assert (decision.steps, decision.claim) == ((), HELD)


def test_a_claim_says_how_its_server_is_known_now() -> None:
    """A pod that was rolled back to an engine without an identity is its VectorEngine's pod."""
    rolled_back = Server("uid-of-engine", None, None)
    decision = decide(gathered(claimed(HELD), observed=FOUND, server=rolled_back))
    assert (decision.steps, decision.claim) == ((), claim(server="engine:uid-of-engine"))


def test_a_claim_that_was_not_looked_into_stays_as_it_is() -> None:
    """Whatever is in the way: what it remembers of its server is not lost over it."""
    found = gathered(claimed(HELD), member=MEMBER._replace(ready=False), server=None)
    assert decide(found).claim == claim_for(found) == HELD


def test_an_engine_made_anew_takes_its_collections_over() -> None:
    """The pod has its volume still and so is the same server: the claim moves to the new uid."""
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    decision = decide(gathered(claimed(HELD), engine=anew, observed=FOUND))
    assert decision.steps == ()
    moved = msgspec.structs.replace(HELD, engine_uid="uid-of-the-new-engine")
    assert decision.claim == moved


@pytest.mark.parametrize("is_in_status", [True, False])
def test_a_collection_that_went_with_its_server_is_made_anew(is_in_status: bool) -> None:
    """Where clients look for it, and with a warning; the claim is of the new server, and stands
    before anything is made: in the status if one stands there, else in the annotation.
    """
    status = {"origin": "Created"}
    bare = collection(status=status, finalizers=[FINALIZER])
    manifest = claimed(HELD, status=status) if is_in_status else bare
    decision = decide(lapsed(manifest))
    first, loss, second, told = decision.steps
    assert isinstance(loss, RecordLoss)
    assert first == (ReplaceClaim(NEW_CLAIM) if is_in_status else RecordClaim(NEW_CLAIM))
    assert isinstance(second, CreateCollection)
    assert isinstance(told, PublishEvent)
    assert (told.event.type, told.event.reason) == ("Warning", "Recreated")
    assert decision.claim == NEW_CLAIM


def test_what_a_new_server_has_under_the_name_is_left_alone() -> None:
    """It is another collection than the one that is claimed: nothing of it is touched."""
    decision = decide(lapsed(observed=FOUND))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.ALREADY_EXISTS))
    assert "engine-0 is another server now" in decision.verdict.message
    assert decision.claim == HELD


def test_what_a_new_server_has_under_the_name_may_be_adopted() -> None:
    """Where that is asked for: it may be the same data, restored. It is retained by default."""
    manifest = claimed(HELD, spec={"adoptionPolicy": "IfIdentical"}, status={"origin": "Created"})
    decision = decide(lapsed(manifest, observed=FOUND))
    adopted = msgspec.structs.replace(NEW_CLAIM, origin="Adopted")
    assert decision.steps[0] == ReplaceClaim(adopted)
    assert [type(step) for step in decision.steps] == [ReplaceClaim, PublishEvent]


LAPSED: list[tuple[str, dict[str, Any], Reason]] = [
    ("no engine", {"engine": None, "member": None, "server": None}, Reason.ENGINE_NOT_FOUND),
    ("not welcome", {"allowed": False}, Reason.NAMESPACE_NOT_ALLOWED),
    ("the name is another's", {"holder": "team-b/other"}, Reason.NAME_TAKEN),
    ("silence", {"failure": EngineUnreachable("silence")}, Reason.ENGINE_UNREACHABLE),
]


@pytest.mark.parametrize(("facts", "reason"), [c[1:] for c in LAPSED], ids=[c[0] for c in LAPSED])
def test_a_claim_of_a_server_that_is_away_is_kept_meanwhile(
    facts: dict[str, Any], reason: Reason
) -> None:
    """The server may come back, and then has the collection still."""
    decision = decide(lapsed(**facts))
    assert (decision.steps, decision.verdict.reason) == ((), reason)
    assert decision.claim == HELD
