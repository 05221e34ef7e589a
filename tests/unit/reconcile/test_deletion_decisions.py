"""What is decided about a VectorCollection that is being deleted."""

from typing import Any

import msgspec
import pytest

from quiver.domain.claims import FINALIZER
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member
from quiver.domain.reasons import Reason
from quiver.ports.errors import (
    EngineDiskFull,
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
    EngineUnreachable,
    WrongEngine,
)
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import (
    DropCollection,
    NoteRetained,
    PublishEvent,
    RecordRelease,
    Release,
)
from quiver.reconcile.collections.gathered import Gathered
from support.builders import NAMESPACE, claim, claimed, collection, engine
from support.gathered import (
    DELETED,
    ENDPOINT,
    EXTERNAL,
    FOUND,
    GUEST,
    HELD,
    MINE,
    NO_SECRET,
    ONE,
    OTHER,
    REFUSED,
    SERVER,
    THEIRS,
    endpoint,
    gathered,
    going,
    hosting,
    lapsed,
    retaining,
    steps,
    unstamped,
)


def going_from(member: Member, engine: VectorEngine = EXTERNAL, **facts: Any) -> Gathered:
    """Return a deleted object whose collection is on an endpoint."""
    held = claimed(claim(member=ENDPOINT), deletionTimestamp=DELETED)
    return gathered(held, engine=engine, member=member, **facts)


RETAIN = {"deletionPolicy": "Retain"}
UNPROVEN = gathered(unstamped(deletionTimestamp=DELETED), observed=FOUND, allowed=False)
UNWELCOME = gathered(going(), observed=FOUND, allowed=False)
OFF_THE_LIST = claimed(claim(member="old.example.org:19530"), deletionTimestamp=DELETED)
OF_THE_OLD_ENGINE = claimed(
    claim(engine="old-engine", server="engine:uid-of-old-engine"), deletionTimestamp=DELETED
)
OF_THE_OLD_ENGINE_BY_A_GUEST = claimed(
    claim(engine="old-engine", server="engine:uid-of-old-engine"),
    spec=GUEST,
    deletionTimestamp=DELETED,
)
ON_ITS_VOLUME = claimed(
    claim(engine="old-engine", server=SERVER.identity), deletionTimestamp=DELETED
)
LET_GO: list[type] = [PublishEvent, Release]
DELETIONS: list[tuple[str, Gathered, list[type]]] = [
    ("it is there", gathered(going(), observed=FOUND), [DropCollection, PublishEvent, Release]),
    ("it is gone already", gathered(going()), [Release]),
    ("it was never claimed", gathered(going(held=False), observed=FOUND), [Release]),
    ("it is to be retained", gathered(going(spec=RETAIN), observed=FOUND), [PublishEvent, Release]),
    ("its CRD goes", gathered(going(), observed=FOUND, is_crd_deleted=True), LET_GO),
    (
        "its CRD goes, its pod is not ready",
        gathered(going(), member=None, is_crd_deleted=True),
        LET_GO,
    ),
    ("its engine is gone", gathered(going(), engine=None, member=None), [PublishEvent, Release]),
    ("it is another one now", gathered(going(), observed=OTHER), [PublishEvent, Release]),
    ("its server is another", lapsed(going()), [PublishEvent, Release]),
    ("who claimed it is unknown", UNPROVEN, [PublishEvent, Release]),
    ("it is not welcome any more", UNWELCOME, [DropCollection, PublishEvent, Release]),
    (
        "it is an elder's too",
        gathered(going(), observed=FOUND, holder="a/b"),
        [PublishEvent, Release],
    ),
    (
        "its endpoint is borrowed",
        going_from(endpoint(), observed=FOUND, is_borrowed=True),
        [PublishEvent, Release],
    ),
    (
        "its endpoint is off the list",
        gathered(OFF_THE_LIST, engine=EXTERNAL, member=None),
        [PublishEvent, Release],
    ),
    ("its engine has endpoints", gathered(going(), engine=EXTERNAL, member=None), LET_GO),
    ("its engine has pods", gathered(OFF_THE_LIST, member=None), LET_GO),
    ("its engine was made anew", gathered(OF_THE_OLD_ENGINE, member=None), LET_GO),
    ("its volume may have stayed", gathered(ON_ITS_VOLUME, member=None), []),
    ("its pod is not ready", gathered(going(), member=None), []),
    ("its engine is silent", gathered(going(), failure=EngineUnreachable("silence")), []),
    ("its engine is another", gathered(going(), failure=WrongEngine("another")), []),
    ("its engine refuses", gathered(going(), failure=EngineRefused("ANY", "no")), []),
    ("its endpoint is refused", going_from(endpoint(ready=False, refusal=REFUSED)), []),
    ("a Secret is in the way", gathered(going(), access=NO_SECRET, member=None), []),
]

WAITING = [(name, found) for name, found, expected in DELETIONS if not expected]


@pytest.mark.parametrize(
    ("found", "expected"), [c[1:] for c in DELETIONS], ids=[c[0] for c in DELETIONS]
)
def test_a_deleted_object_goes_as_its_policy_says(found: Gathered, expected: list[type]) -> None:
    """What is claimed is dropped, all else is left, and the finalizer goes last."""
    assert steps(found) == expected


@pytest.mark.parametrize("found", [w[1] for w in WAITING], ids=[w[0] for w in WAITING])
def test_a_deletion_that_cannot_be_done_waits_and_says_the_way_out(found: Gathered) -> None:
    """Quiver never gives up a deletion; the condition tells why it waits and what ends the wait."""
    decision = decide(found)
    assert decision.retry
    assert decision.claim == found.claim
    assert "Retain" in decision.verdict.message


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (going_from(endpoint(ready=False, refusal=REFUSED)), "127.0.0.1 is a loopback address."),
        (gathered(going(), access=NO_SECRET, member=None), "There is no Secret 't'."),
    ],
)
def test_a_deletion_that_waits_for_its_member_says_what_is_wrong_with_it(
    found: Gathered, told: str
) -> None:
    """In the words of whoever found it."""
    assert told in decide(found).verdict.message


NEVER_HAD = msgspec.convert(
    engine(status={"highestReplicas": 0}, spec={"replicas": 0}), VectorEngine
)
LEFT: list[tuple[str, Gathered, str, str]] = [
    ("by policy", gathered(going(spec=RETAIN)), "Normal", "deletionPolicy is Retain"),
    (
        "by default",
        gathered(claimed(claim(origin="Adopted"), deletionTimestamp=DELETED)),
        "Normal",
        "default",
    ),
    ("suspended", gathered(going(spec={"suspend": True})), "Warning", "spec.suspend is true"),
    (
        "suspended, with Retain",
        gathered(going(spec={"suspend": True, **RETAIN})),
        "Warning",
        "suspend",
    ),
    ("no engine", gathered(going(), engine=None, member=None), "Normal", "VectorEngine is gone"),
    (
        "endpoint",
        gathered(OFF_THE_LIST, engine=EXTERNAL, member=None),
        "Warning",
        "no longer lists its endpoint old.example.org:19530",
    ),
    (
        "endpoints for pods",
        gathered(going(), engine=EXTERNAL, member=None),
        "Warning",
        "it is on engine-0, and VectorEngine 'engine' is of another kind now",
    ),
    (
        "another engine",
        gathered(OF_THE_OLD_ENGINE, member=None),
        "Warning",
        "VectorEngine 'engine' is another object than the one that it was made on",
    ),
    ("pod", gathered(going(), engine=NEVER_HAD, member=None), "Warning", "asked for pod engine-0"),
    ("another server", lapsed(going()), "Warning", "engine-0 is another server than"),
    ("another server, with Retain", lapsed(going(spec=RETAIN)), "Normal", "is Retain"),
    ("unproven", UNPROVEN, "Warning", "the engine does not admit its namespace"),
    ("borrowed", going_from(endpoint(), is_borrowed=True), "Warning", "that Quiver manages"),
    ("an elder", gathered(going(), holder="a/b"), "Warning", "'a/b' has it too"),
    ("another", gathered(going(), observed=OTHER), "Warning", "dimension is 8, not 256"),
]


@pytest.mark.parametrize(("found", "type_", "why"), [c[1:] for c in LEFT], ids=[c[0] for c in LEFT])
def test_a_collection_that_is_left_is_told_of(found: Gathered, type_: str, why: str) -> None:
    """An event says so and why: a warning, unless somebody chose it or the engine is gone too."""
    told = next(step.event for step in decide(found).steps if isinstance(step, PublishEvent))
    assert (told.type, told.reason) == (type_, "Left")
    assert why in told.note


NOTE = NoteRetained(HELD, ONE)


@pytest.mark.parametrize(
    ("host", "noted"),
    [
        (hosting(), [NOTE]),
        (hosting(MINE), []),
        (hosting(THEIRS), [NOTE]),
        (hosting({"instance:4567/test01": ONE}), [NOTE]),
        (msgspec.convert(engine(), VectorEngine), []),
        (retaining("team-x/1"), [NOTE]),
        (retaining(ONE), []),
    ],
    ids=[
        "a guest",
        "known",
        "another's before",
        "known elsewhere",
        "own",
        "a guest's before",
        "own",
    ],
)
def test_the_engine_remembers_whose_was_what_stays(host: VectorEngine, noted: list[Any]) -> None:
    """That namespace may adopt it again. Of the engine's own nothing need be known, unless it was a
    guest's before.
    """
    decision = decide(gathered(going(spec={**GUEST, **RETAIN}), engine=host, observed=FOUND))
    assert list(decision.steps[:-2]) == noted
    assert [type(step) for step in decision.steps[-2:]] == [PublishEvent, Release]


def test_the_engine_remembers_what_a_guest_leaves_with_its_crd() -> None:
    """Once the CRD is back, an object of its namespace may adopt it."""
    manifest = going(spec=GUEST)
    found = gathered(manifest, engine=hosting(), observed=FOUND, is_crd_deleted=True)
    assert list(decide(found).steps[:-2]) == [NOTE]


def test_what_stays_is_remembered_with_its_partitions() -> None:
    """They take room for as long as they are there, and count to the namespace's share."""
    status = {"partitions": ["a", "b"], "retainedPartitions": ["c"]}
    manifest = going(spec={**GUEST, **RETAIN}, status=status)
    decision = decide(gathered(manifest, engine=hosting(), observed=FOUND))
    assert decision.steps[0] == NoteRetained(HELD, f"{NAMESPACE}/4")


@pytest.mark.parametrize(
    "found",
    [
        lapsed(going(spec={**GUEST, **RETAIN}), engine=hosting()),
        gathered(going(spec=GUEST), engine=hosting(), observed=FOUND, holder="a/b"),
        gathered(going(spec=GUEST), engine=hosting(), observed=FOUND),
        gathered(going(spec=GUEST), engine=hosting()),
        gathered(OF_THE_OLD_ENGINE_BY_A_GUEST, engine=hosting(), member=None),
    ],
    ids=["another server", "an elder's", "dropped", "gone already", "another engine"],
)
def test_nothing_is_remembered_of_what_is_not_left(found: Gathered) -> None:
    """What was on another server, is somebody else's, or is no more gives nobody a right."""
    assert NoteRetained not in steps(found)


def test_an_object_without_our_finalizer_is_not_touched() -> None:
    """Another controller's finalizer keeps it: it is none of our business any more."""
    manifest = collection(deletionTimestamp=DELETED, finalizers=["example.com/other"])
    found = gathered(manifest, observed=FOUND)
    assert steps(found) == []
    assert decide(found).verdict[:2] == (State.RECONCILING, Reason.RELEASED)


def test_what_stays_without_our_finalizer_counts_to_its_namespace() -> None:
    """Whoever takes the finalizer off gets no room for it."""
    manifest = going(spec=GUEST)
    manifest["metadata"]["finalizers"] = ["example.com/other"]
    host = hosting()
    assert steps(gathered(manifest, engine=host, observed=FOUND)) == [NoteRetained]
    assert steps(gathered(manifest, engine=host)) == []


def going_with_others(**rest: Any) -> Manifest:
    """Return an object that is being deleted, and held by another finalizer too."""
    manifest = going(**rest)
    manifest["metadata"]["finalizers"] = ["foregroundDeletion", FINALIZER]
    return manifest


HELD_BY_OTHERS: list[tuple[str, Gathered, str]] = [
    (
        "dropped",
        gathered(going_with_others(), observed=FOUND),
        "Dropped collection 'test01' and its vectors.",
    ),
    ("gone already", gathered(going_with_others()), "'test01' was gone already"),
    (
        "retained",
        gathered(going_with_others(spec=RETAIN), observed=FOUND),
        "Left collection 'test01' where it is: deletionPolicy is Retain.",
    ),
    (
        "let go",
        gathered(going_with_others(), engine=None, member=None),
        "Left collection 'test01' where it is: its VectorEngine is gone.",
    ),
    ("never claimed", gathered(going_with_others(held=False)), "It had no collection"),
]


@pytest.mark.parametrize(
    ("found", "said"), [c[1:] for c in HELD_BY_OTHERS], ids=[c[0] for c in HELD_BY_OTHERS]
)
def test_an_object_that_others_hold_says_what_became_of_its_collection(
    found: Gathered, said: str
) -> None:
    """Just before the finalizer goes: it is the last word about it."""
    *_, record, release = decide(found).steps
    assert isinstance(record, RecordRelease)
    assert record.verdict[:2] == (State.RECONCILING, Reason.RELEASED)
    assert said in record.verdict.message
    assert release == Release()


def test_what_became_of_a_collection_is_said_once() -> None:
    """As after a crash between the two writes: it was gone already only since Quiver dropped it."""
    said = {"type": "Ready", "status": "False", "reason": "Released", "message": "Dropped."}
    assert steps(gathered(going_with_others(status={"conditions": [said]}))) == [Release]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (EngineRefused("ANY", "not now", retriable=True), State.RECONCILING, Reason.ENGINE_REFUSED),
        (EngineDiskFull("ANY", "no room"), State.RECONCILING, Reason.DISK_FULL),
        (EngineRefused("PERMISSION_DENIED", "no"), State.STALLED, Reason.ENGINE_REFUSED),
        (EngineUnreachable("silence"), State.RECONCILING, Reason.ENGINE_UNREACHABLE),
        (WrongEngine("another engine"), State.RECONCILING, Reason.ENGINE_UNREACHABLE),
        (EngineUnauthenticated("who?"), State.STALLED, Reason.CREDENTIALS_REFUSED),
    ],
)
def test_a_drop_that_fails_says_whether_the_engine_refused_it(
    error: EngineError, state: State, reason: Reason
) -> None:
    """A refusal is not called silence; either way the drop is tried again."""
    decision = decide_after_failure(gathered(going(), observed=FOUND), error)
    assert decision.verdict[:2] == (state, reason)
    assert decision.retry
    assert str(error) in decision.verdict.message


@pytest.mark.parametrize(
    ("rows", "expected"), [(0, [DropCollection, PublishEvent, Release]), (7, [])]
)
def test_delete_if_empty_drops_what_is_empty(rows: int, expected: list[type]) -> None:
    """A collection with vectors waits; the message counts them."""
    found = gathered(going(spec={"deletionPolicy": "DeleteIfEmpty"}), observed=FOUND, rows=rows)
    assert steps(found) == expected
    if rows:
        assert "7 vectors" in decide(found).verdict.message


def test_a_suspended_object_that_is_deleted_leaves_its_collection() -> None:
    """Hands off, and no namespace is held up by it."""
    found = gathered(going(spec={"suspend": True}), engine=None, member=None)
    assert steps(found) == [PublishEvent, Release]


PROTECTED = {"deletionProtection": True}


def protected(**facts: Any) -> Gathered:
    held = claimed(claim(), deletionTimestamp=DELETED, spec=PROTECTED)
    return gathered(held, observed=FOUND, **facts)


def test_a_protected_object_that_is_deleted_past_the_policy_stays() -> None:
    """Nothing is dropped, and it says how it may go."""
    decision = decide(protected())
    assert decision.verdict[:2] == (State.STALLED, Reason.DELETION_PROTECTED)
    assert "Set it to false to let the object go." in decision.verdict.message
    assert decision.steps == ()


@pytest.mark.parametrize("cause", ["is_namespace_going", "is_crd_deleted"])
def test_a_protected_object_that_goes_with_others_leaves_its_collection(cause: str) -> None:
    """Whoever deleted its namespace, or its kind, has not decided about its vectors."""
    decision = decide(protected(**{cause: True}))
    kinds = [type(step) for step in decision.steps]
    assert kinds[-2:] == [PublishEvent, Release]
    assert DropCollection not in kinds
