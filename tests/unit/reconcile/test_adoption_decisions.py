"""What is decided about a collection that is there and that nobody has claimed."""

import msgspec
import pytest

from quiver.domain.claims import retained_as
from quiver.domain.collection_schemas import ObservedCollection
from quiver.domain.engines import VectorEngine
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    CreateCollection,
    DropCollection,
    NoteRetained,
    PublishEvent,
    RecordClaim,
    Release,
    ReplaceClaim,
)
from support.builders import NAMESPACE, claim, claimed, collection, engine
from support.gathered import (
    DELETED,
    EXTERNAL,
    FOUND,
    GUEST,
    HELD,
    MINE,
    NEW_CLAIM,
    OTHER,
    SERVER,
    THEIRS,
    gathered,
    hosting,
    lapsed,
    steps,
)

IDENTICAL = {"adoptionPolicy": "IfIdentical"}


def test_an_identical_collection_is_adopted_where_asked_for() -> None:
    """It is claimed as adopted, so that deleting the object will keep it, and an event tells."""
    decision = decide(gathered(collection(spec=IDENTICAL), observed=FOUND))
    assert [type(step) for step in decision.steps] == [RecordClaim, PublishEvent]
    assert decision.claim is not None
    assert decision.claim.origin == "Adopted"


def test_a_collection_that_differs_is_not_adopted() -> None:
    """The message lists what differs, and nothing is claimed."""
    decision = decide(gathered(collection(spec=IDENTICAL), observed=OTHER))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.ALREADY_EXISTS)
    assert "dimension is 8, not 256" in decision.verdict.message


@pytest.mark.parametrize(
    ("host", "is_adopted"),
    [
        (hosting(), False),
        (hosting(THEIRS), False),
        (hosting({"instance:4567/test01": NAMESPACE}), False),
        (hosting(MINE), True),
        (hosting(allowedNamespaces={"from": "All"}), False),
        (hosting(allowedNamespaces={"from": "All", "mayAdopt": True}), True),
        (msgspec.convert(engine(), VectorEngine), True),
    ],
    ids=[
        "a guest",
        "another's",
        "elsewhere",
        "its own before",
        "from All",
        "mayAdopt",
        "own engine",
    ],
)
def test_a_guest_adopts_what_was_its_namespaces_or_what_the_engine_lets_it(
    host: VectorEngine, is_adopted: bool
) -> None:
    """Knowing a name is no right to the vectors."""
    manifest = collection(spec={**GUEST, **IDENTICAL})
    decision = decide(gathered(manifest, engine=host, observed=FOUND))
    if is_adopted:
        assert decision.claim is not None
        assert decision.claim.origin == "Adopted"
    else:
        assert (decision.steps, decision.verdict.reason) == ((), Reason.ALREADY_EXISTS)
        assert "allowedNamespaces.mayAdopt" in decision.verdict.message


def test_nothing_is_adopted_through_a_younger_engine_of_another_namespace() -> None:
    """An endpoint is written by whoever likes: who was there first says who may adopt."""
    found = gathered(collection(spec=IDENTICAL), engine=EXTERNAL, observed=FOUND, is_elders=True)
    decision = decide(found)
    assert (decision.steps, decision.verdict.reason) == ((), Reason.ALREADY_EXISTS)
    assert "an older VectorEngine of another namespace" in decision.verdict.message


def test_a_guest_takes_nothing_over_from_a_server_that_came_in_between() -> None:
    """A claim of the server before is no right to what the new one has."""
    manifest = claimed(HELD, spec={**GUEST, **IDENTICAL})
    decision = decide(lapsed(manifest, engine=hosting(MINE), observed=FOUND))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.ALREADY_EXISTS)


@pytest.mark.parametrize(
    ("observed", "told"), [(FOUND, [PublishEvent]), (None, [CreateCollection, PublishEvent])]
)
def test_what_is_somebodys_again_is_no_longer_remembered(
    observed: ObservedCollection | None, told: list[type]
) -> None:
    """Once it is claimed the engine forgets whose it was, and not before."""
    manifest = collection(spec={**GUEST, **IDENTICAL})
    decision = decide(gathered(manifest, engine=hosting(MINE), observed=observed))
    assert [type(step) for step in decision.steps] == [RecordClaim, NoteRetained, *told]
    note = decision.steps[1]
    assert isinstance(note, NoteRetained)
    assert (retained_as(note.claim), note.owner) == (retained_as(HELD), None)


def test_what_is_taken_over_from_another_server_is_no_longer_remembered() -> None:
    """It may have been left on that one by this very namespace."""
    manifest = claimed(HELD, spec={**GUEST, **IDENTICAL})
    host = hosting({retained_as(NEW_CLAIM): NAMESPACE})
    assert steps(lapsed(manifest, engine=host, observed=FOUND)) == [
        ReplaceClaim,
        NoteRetained,
        PublishEvent,
    ]


def test_an_adopted_collection_stays_unless_its_object_says_otherwise() -> None:
    """What Quiver did not create, it does not drop by default."""
    adopted = claim(origin="Adopted", server=SERVER.identity)
    going_away = {"deletionTimestamp": DELETED}
    assert steps(gathered(claimed(adopted, **going_away), observed=FOUND)) == [
        PublishEvent,
        Release,
    ]
    chosen = claimed(adopted, spec={"deletionPolicy": "Delete"}, **going_away)
    assert steps(gathered(chosen, observed=FOUND)) == [DropCollection, PublishEvent, Release]


def test_what_was_taken_up_is_forgotten_though_that_failed_at_first() -> None:
    """The claim may have been written, and the engine's status refused: with both, the collection
    would count twice to the namespace's share.
    """
    held = claimed(HELD, status={"origin": "Adopted"}, spec=GUEST)
    assert steps(gathered(held, engine=hosting(MINE), observed=FOUND)) == [NoteRetained]
    assert steps(gathered(held, engine=hosting(), observed=FOUND)) == []
