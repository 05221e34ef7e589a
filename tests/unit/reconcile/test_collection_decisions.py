"""What is decided about a VectorCollection, as tables: what was found, and what follows."""

import base64
from typing import Any

import msgspec
import pytest

from builders import NAMESPACE, claim, claimed, collection, engine, external
from quiver.domain.access import Access
from quiver.domain.claims import FINALIZER, claim_of, retained_as
from quiver.domain.collections import (
    CollectionSchema,
    Index,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
    VectorCollection,
)
from quiver.domain.conditions import State, Verdict
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member
from quiver.domain.placement import Load
from quiver.domain.reasons import Reason
from quiver.domain.servers import Server
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable, WrongEngine
from quiver.reconcile.collections.assignment import claim_for
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import (
    ApplySecret,
    CreateCollection,
    CreatePartition,
    DeleteSecret,
    DropCollection,
    DropPartition,
    KeepFinalizer,
    NoteRetained,
    PublishEvent,
    RecordClaim,
    Release,
    ReplaceClaim,
    SetIndex,
)
from quiver.reconcile.collections.gathered import Gathered, Observation

MEMBER = Member(
    "engine-0", "Quiver", "10.0.0.7:19530", "engine-0.engine.team-a.svc:19530", True, "engine-0"
)
SCHEMA = CollectionSchema(name="test01", dimension=256, index_file_size=1024, metric_type="L2")
FOUND = ObservedCollection(schema=SCHEMA)
DELETED = "2024-05-02T10:00:00Z"
SERVER, NEW_SERVER = (Server("uid-of-engine", digit * 32, None) for digit in "01")
HELD = claim(server=SERVER.identity)
ENDPOINT = "milvus.example.org:19530"
EXTERNAL = msgspec.convert(external(ENDPOINT), VectorEngine)
REFUSED = Verdict.stalled(Reason.ENDPOINT_REFUSED, "127.0.0.1 is a loopback address.")
NO_SECRET = Access(trouble=Verdict.reconciling(Reason.SECRET_NOT_FOUND, "There is no Secret 't'."))


def endpoint(*, ready: bool = True, refusal: Verdict | None = None) -> Member:
    return Member(ENDPOINT, "Quiver", "10.0.0.9:19530", ENDPOINT, ready, refusal=refusal)


def hosting(retained: dict[str, str] | None = None, **spec: Any) -> VectorEngine:
    """Return an engine of another namespace than the collections, which are its guests."""
    manifest = engine(namespace="team-e", spec=spec, status={"retained": retained or {}})
    return msgspec.convert(manifest, VectorEngine)


def retaining(namespace: str) -> VectorEngine:
    """Return an engine of their own namespace that remembers whose the collection was."""
    manifest = engine(status={"retained": {retained_as(HELD): namespace}})
    return msgspec.convert(manifest, VectorEngine)


def gathered(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return a world with a ready member that has no such collection, but for what `facts` say."""
    manifest = manifest or collection()
    told = {name: facts.pop(name) for name in ("index", "rows", "partition_rows") if name in facts}
    observed, failure = facts.pop("observed", None), facts.pop("failure", None)
    world: dict[str, Any] = {
        "observation": Observation(collection=observed, failure=failure, **told),
        "manifest": manifest,
        "collection": msgspec.convert(manifest, VectorCollection),
        "claim": claim_of(manifest),
        "engine": msgspec.convert(engine(), VectorEngine),
        "members": (MEMBER,),
        "member": MEMBER,
        "server": SERVER,
    }
    return Gathered(**world | facts)


def lapsed(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return a world in which the member is another server than the one that is claimed."""
    manifest = manifest or claimed(HELD, status={"origin": "Created"})
    facts = {"claim": None, "lapsed": HELD, "server": NEW_SERVER} | facts
    return gathered(manifest, **facts)


def unstamped(**rest: Any) -> Manifest:
    """Return a collection that was claimed before servers were told apart."""
    return claimed(claim(), **rest)


def steps(found: Gathered) -> list[type]:
    return [type(step) for step in decide(found).steps]


def test_a_free_name_is_claimed_before_the_collection_is_created() -> None:
    """A claim is on record before anything is created, so that a crash leaves nothing unowned."""
    found = gathered(collection(spec={"partitions": ["a", "b"]}))
    assert steps(found) == [
        RecordClaim,
        CreateCollection,
        PublishEvent,
        CreatePartition,
        CreatePartition,
    ]
    assert decide(found).verdict.state is State.READY


def test_a_crash_after_the_claim_is_made_good_without_a_second_claim() -> None:
    """A claimed collection that is not there yet is created, with nothing more to record."""
    decision = decide(gathered(claimed(HELD)))
    assert [type(step) for step in decision.steps] == [CreateCollection, PublishEvent]
    assert decision.steps[-1].event.reason == "Created"  # type: ignore[union-attr]


def test_a_collection_dropped_behind_our_back_comes_back_with_a_warning() -> None:
    """What was once there and is gone is created anew, and an event says that vectors are lost."""
    decision = decide(gathered(claimed(HELD, status={"origin": "Created"})))
    told = next(step.event for step in decision.steps if isinstance(step, PublishEvent))
    assert (told.type, told.reason) == ("Warning", "Recreated")
    assert "lost" in told.note


def test_a_collection_in_place_needs_nothing() -> None:
    """Nothing is done, and Ready is said, when the engine has what the spec says."""
    decision = decide(gathered(claimed(HELD), observed=FOUND))
    assert (decision.steps, decision.verdict.state) == ((), State.READY)
    assert decision.placement is not None
    assert decision.placement.endpoint == "engine-0.engine.team-a.svc:19530"


def test_what_was_wiped_from_the_metadata_costs_no_claim() -> None:
    """After `kubectl replace` the status still holds the claim, and the finalizer is put back."""
    status = {"claim": msgspec.to_builtins(HELD), "origin": "Created"}
    decision = decide(gathered(collection(status=status), observed=FOUND))
    assert decision.steps == (KeepFinalizer(),)
    assert decision.claim == HELD


def test_a_finalizer_is_put_back_before_anything_is_made() -> None:
    """Else the object could go, and what it made would be nobody's."""
    status = {"claim": msgspec.to_builtins(HELD), "origin": "Created"}
    bare = collection(status=status)
    assert steps(gathered(bare)) == [KeepFinalizer, CreateCollection, PublishEvent]
    assert steps(lapsed(bare)) == [KeepFinalizer, ReplaceClaim, CreateCollection, PublishEvent]


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


def test_what_an_origin_says_stays_while_the_claim_counts() -> None:
    """A collection that was adopted, and has to be made anew, is still retained by default."""
    adopted = claim(origin="Adopted", server=SERVER.identity)
    assert decide(gathered(claimed(adopted))).claim == adopted


def test_a_copied_object_inherits_no_claim() -> None:
    """The claim of another uid counts for nothing: the collection is somebody else's."""
    copy = claimed(claim(uid="uid-of-the-original"))
    decision = decide(gathered(copy, observed=FOUND))
    assert (decision.verdict.reason, decision.steps) == (Reason.ALREADY_EXISTS, ())


LIVING: list[tuple[str, dict[str, Any], State, Reason, str]] = [
    (
        "no engine",
        {"engine": None, "member": None},
        State.RECONCILING,
        Reason.ENGINE_NOT_FOUND,
        "Create it",
    ),
    (
        "a namespace that is not welcome",
        {"allowed": False},
        State.STALLED,
        Reason.NAMESPACE_NOT_ALLOWED,
        "spec.allowedNamespaces",
    ),
    ("an older namesake", {"holder": "older"}, State.STALLED, Reason.NAME_TAKEN, "'older'"),
    (
        "a borrowed endpoint",
        {"engine": EXTERNAL, "member": endpoint(), "is_borrowed": True},
        State.STALLED,
        Reason.ENDPOINT_REFUSED,
        "Refer to the VectorEngine of that pod in engineRef",
    ),
    (
        "a Secret in the way",
        {"access": NO_SECRET, "members": (MEMBER._replace(ready=False),), "member": None},
        State.RECONCILING,
        Reason.ENGINE_NOT_READY,
        "There is no Secret 't'.",
    ),
    (
        "no ready member",
        {"members": (MEMBER._replace(ready=False),), "member": None},
        State.RECONCILING,
        Reason.ENGINE_NOT_READY,
        "no ready member",
    ),
    (
        "only a leaving member",
        {"members": (MEMBER._replace(leaving=True),), "member": None},
        State.RECONCILING,
        Reason.ENGINE_NOT_READY,
        "no ready member",
    ),
    ("no room", {"member": None}, State.STALLED, Reason.QUOTA_EXCEEDED, "4096"),
    (
        "a guest that has its share",
        {
            "engine": hosting(limits={"maxPerNamespace": 7}),
            "load": Load({}, {NAMESPACE: 7}),
            "member": None,
        },
        State.STALLED,
        Reason.QUOTA_EXCEEDED,
        "may have 7 collections and partitions on VectorEngine team-a/engine (limits",
    ),
    (
        "a foreign collection",
        {"observed": FOUND},
        State.STALLED,
        Reason.ALREADY_EXISTS,
        "leaves it alone",
    ),
    (
        "silence",
        {"failure": EngineUnreachable("no answer within 5 s")},
        State.RECONCILING,
        Reason.ENGINE_UNREACHABLE,
        "no answer within 5 s",
    ),
]


@pytest.mark.parametrize(
    ("facts", "state", "reason", "told"), [c[1:] for c in LIVING], ids=[c[0] for c in LIVING]
)
def test_an_unclaimed_collection_that_cannot_be_made_says_why(
    facts: dict[str, Any], state: State, reason: Reason, told: str
) -> None:
    """Nothing is claimed or created while something is in the way, and the message names it."""
    decision = decide(gathered(**facts))
    assert (decision.steps, decision.verdict[:2]) == ((), (state, reason))
    assert told in decision.verdict.message


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("dimension", 128, "dimension is 128, not 256"),
        ("index_file_size", 2048, "indexFileSize is 2048, not 1024"),
        ("metric_type", "IP", "metricType is IP, not L2"),
        ("name", "other", "collectionName is other, not test01"),
    ],
)
def test_a_claimed_collection_that_differs_is_left_alone(field: str, value: Any, told: str) -> None:
    """Quiver never drops and makes anew because a field changed; it names what differs."""
    schema = msgspec.structs.replace(SCHEMA, **{field: value})
    decision = decide(gathered(claimed(HELD), observed=ObservedCollection(schema=schema)))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.SPEC_DIFFERS)
    assert told in decision.verdict.message


def test_what_is_gone_comes_back_under_its_own_name_or_not_at_all() -> None:
    """A spec that was changed past the CRD makes no second collection under a claim for one."""
    held = claimed(claim(collection_name="docs", server=SERVER.identity))
    decision = decide(gathered(held))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.SPEC_DIFFERS)
    assert "collectionName is docs, not test01" in decision.verdict.message


def test_a_claimed_collection_waits_for_its_own_pod() -> None:
    """A collection stays with its pod: another ready one is no place for it."""
    held = claimed(claim(member="engine-1"))
    decision = decide(gathered(held, member=None, members=(MEMBER,)))
    assert decision.verdict.reason is Reason.ENGINE_NOT_READY
    assert "engine-1" in decision.verdict.message
    gone = decide(lapsed(member=MEMBER._replace(ready=False), members=(MEMBER,)))
    assert gone.verdict.reason is Reason.ENGINE_NOT_READY


def test_an_endpoint_taken_off_the_list_stalls_its_collections() -> None:
    """Quiver does not make an empty collection elsewhere and call that Ready."""
    held = claimed(claim(member="old.example.org:19530"))
    decision = decide(gathered(held, engine=EXTERNAL, member=None))
    assert decision.verdict[:2] == (State.STALLED, Reason.MEMBER_GONE)
    assert "endpoint old.example.org:19530" in decision.verdict.message


@pytest.mark.parametrize(("member", "is_gone"), [("engine-2", False), ("engine-3", True)])
def test_a_pod_that_the_engine_never_had_is_not_waited_for(member: str, is_gone: bool) -> None:
    """One that it once had may come back: its volume is still there."""
    once = msgspec.convert(engine(status={"highestReplicas": 3}), VectorEngine)
    decision = decide(gathered(claimed(claim(member=member)), engine=once, member=None))
    reason = Reason.MEMBER_GONE if is_gone else Reason.ENGINE_NOT_READY
    assert decision.verdict.reason is reason
    assert ("Raise them, or delete this object" in decision.verdict.message) is is_gone


def test_a_claimed_endpoint_that_is_refused_says_why() -> None:
    """The collection waits, and its claim stays: the name may lead elsewhere tomorrow."""
    held = claimed(claim(member=ENDPOINT))
    refused = endpoint(ready=False, refusal=REFUSED)
    decision = decide(gathered(held, engine=EXTERNAL, member=refused, server=None))
    assert decision.verdict.reason is Reason.ENGINE_NOT_READY
    assert f"Endpoint {ENDPOINT} cannot be used: 127.0.0.1" in decision.verdict.message
    assert decision.claim == claim(member=ENDPOINT)


def test_an_older_claimant_has_the_collection() -> None:
    """Of two objects that claim one collection the younger changes nothing, and keeps its claim."""
    decision = decide(gathered(claimed(HELD), observed=FOUND, holder="team-b/older"))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.NAME_TAKEN)
    assert decision.claim == HELD


@pytest.mark.parametrize(
    ("policy", "expected"), [("Delete", [DropPartition, PublishEvent]), ("Retain", [])]
)
def test_a_partition_taken_off_the_list_goes_as_the_deletion_policy_says(
    policy: str, expected: list[type]
) -> None:
    """Only partitions that the object managed go, and only where data may be deleted."""
    manifest = claimed(
        claim(),
        spec={"partitions": ["a"], "deletionPolicy": policy},
        status={"partitions": ["a", "b"]},
    )
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a", "b", "foreign"}))
    found = gathered(manifest, observed=observed)
    assert steps(found) == expected


def test_missing_partitions_are_made() -> None:
    """A listed partition that the engine lacks is created, others stay."""
    manifest = claimed(HELD, spec={"partitions": ["a", "b"]})
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a"}))
    assert decide(gathered(manifest, observed=observed)).steps == (CreatePartition("b"),)


def test_an_engine_made_anew_takes_its_collections_over() -> None:
    """The pod has its volume still and so is the same server: the claim moves to the new uid."""
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    decision = decide(gathered(claimed(HELD), engine=anew, observed=FOUND))
    assert decision.steps == ()
    moved = msgspec.structs.replace(HELD, engine_uid="uid-of-the-new-engine")
    assert decision.claim == moved


NEW_CLAIM = msgspec.structs.replace(HELD, server=NEW_SERVER.identity)


@pytest.mark.parametrize("is_in_status", [True, False])
def test_a_collection_that_went_with_its_server_is_made_anew(is_in_status: bool) -> None:
    """Where clients look for it, and with a warning; the claim is of the new server, and stands
    before anything is made: in the status if one stands there, else in the annotation.
    """
    status = {"origin": "Created"}
    bare = collection(status=status, finalizers=[FINALIZER])
    manifest = claimed(HELD, status=status) if is_in_status else bare
    decision = decide(lapsed(manifest))
    first, second, told = decision.steps
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


def going(held: bool = True, **rest: Any) -> Manifest:
    if held:
        return claimed(HELD, deletionTimestamp=DELETED, **rest)
    return collection(deletionTimestamp=DELETED, finalizers=[FINALIZER], **rest)


def going_from(member: Member, engine: VectorEngine = EXTERNAL, **facts: Any) -> Gathered:
    """Return a deleted object whose collection is on an endpoint."""
    held = claimed(claim(member=ENDPOINT), deletionTimestamp=DELETED)
    return gathered(held, engine=engine, member=member, **facts)


RETAIN = {"deletionPolicy": "Retain"}
UNPROVEN = gathered(unstamped(deletionTimestamp=DELETED), observed=FOUND, allowed=False)
UNWELCOME = gathered(going(), observed=FOUND, allowed=False)
OFF_THE_LIST = claimed(claim(member="old.example.org:19530"), deletionTimestamp=DELETED)
OTHER = ObservedCollection(schema=msgspec.structs.replace(SCHEMA, dimension=8))
DELETIONS: list[tuple[str, Gathered, list[type]]] = [
    ("it is there", gathered(going(), observed=FOUND), [DropCollection, PublishEvent, Release]),
    ("it is gone already", gathered(going()), [Release]),
    ("it was never claimed", gathered(going(held=False), observed=FOUND), [Release]),
    ("it is to be retained", gathered(going(spec=RETAIN), observed=FOUND), [PublishEvent, Release]),
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


GUEST = {"engineRef": {"name": "engine", "namespace": "team-e"}}
ONE = f"{NAMESPACE}/1"
MINE, THEIRS = {retained_as(HELD): ONE}, {retained_as(HELD): "team-x/1"}
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
    ],
    ids=["another server", "an elder's", "dropped", "gone already"],
)
def test_nothing_is_remembered_of_what_is_not_left(found: Gathered) -> None:
    """What was on another server, is somebody else's, or is no more gives nobody a right."""
    assert NoteRetained not in steps(found)


def test_an_object_without_our_finalizer_is_not_touched() -> None:
    """Another controller's finalizer keeps it: it is none of our business any more."""
    manifest = collection(deletionTimestamp=DELETED, finalizers=["example.com/other"])
    assert steps(gathered(manifest, observed=FOUND)) == []


@pytest.mark.parametrize(
    ("error", "state", "retry"),
    [
        (EngineRefused("ILLEGAL_DIMENSION", "dimension 0"), State.STALLED, False),
        (EngineRefused("ANY", "busy", retriable=True), State.RECONCILING, True),
        (EngineUnreachable("connection refused"), State.RECONCILING, True),
        (WrongEngine("another engine"), State.RECONCILING, True),
    ],
)
def test_a_step_that_fails_tells_whether_waiting_helps(
    error: EngineError, state: State, retry: bool
) -> None:
    """A refusal that stands is Stalled; what may pass is tried again."""
    decision = decide_after_failure(gathered(), error)
    assert (decision.verdict.state, decision.retry) == (state, retry)
    assert str(error) in decision.verdict.message


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (EngineRefused("ANY", "not now", retriable=True), State.RECONCILING, Reason.ENGINE_REFUSED),
        (EngineRefused("PERMISSION_DENIED", "no"), State.STALLED, Reason.ENGINE_REFUSED),
        (EngineUnreachable("silence"), State.RECONCILING, Reason.ENGINE_UNREACHABLE),
        (WrongEngine("another engine"), State.RECONCILING, Reason.ENGINE_UNREACHABLE),
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


@pytest.mark.parametrize(
    ("rows", "expected"), [(0, [DropCollection, PublishEvent, Release]), (7, [])]
)
def test_delete_if_empty_drops_what_is_empty(rows: int, expected: list[type]) -> None:
    """A collection with vectors waits; the message counts them."""
    found = gathered(going(spec={"deletionPolicy": "DeleteIfEmpty"}), observed=FOUND, rows=rows)
    assert steps(found) == expected
    if rows:
        assert "7 vectors" in decide(found).verdict.message


@pytest.mark.parametrize(("rows", "expected"), [(0, [DropPartition, PublishEvent]), (7, [])])
def test_delete_if_empty_drops_partitions_that_are_empty(rows: int, expected: list[type]) -> None:
    """A partition with vectors that is taken off the list stays, and the condition says so."""
    spec = {"deletionPolicy": "DeleteIfEmpty"}
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a"}))
    manifest = claimed(HELD, spec=spec, status={"partitions": ["a"]})
    found = gathered(manifest, observed=observed, partition_rows={"a": rows})
    assert steps(found) == expected
    assert decide(found).verdict.reason is (Reason.NOT_EMPTY if rows else Reason.AVAILABLE)


def test_a_suspended_object_is_left_as_it_is() -> None:
    """Nothing is done while spec.suspend is true, and the claim stays."""
    decision = decide(gathered(claimed(HELD, spec={"suspend": True})))
    assert (decision.steps, decision.verdict.state) == ((), State.SUSPENDED)
    assert decision.claim == HELD


def test_a_suspended_object_that_is_deleted_leaves_its_collection() -> None:
    """Hands off, and no namespace is held up by it."""
    found = gathered(going(spec={"suspend": True}), engine=None, member=None)
    assert steps(found) == [PublishEvent, Release]


IVF = {"type": "IVF_FLAT", "params": {"nlist": 1024}}
INDEX = msgspec.convert(IVF, Index)
BUILDING = IndexProgress(built=2, total=5)


@pytest.mark.parametrize(
    ("spec", "status", "found", "expected"),
    [
        (IVF, None, None, [SetIndex(INDEX)]),
        (IVF, IVF, None, [SetIndex(INDEX)]),
        (IVF, IVF, INDEX, []),
        (None, IVF, INDEX, [SetIndex(None)]),
        (None, IVF, None, []),
    ],
    ids=["wanted", "dropped behind our back", "there", "not wanted any more", "gone already"],
)
def test_the_index_follows_the_spec(
    spec: Any, status: Any, found: Index | None, expected: list[SetIndex]
) -> None:
    """An index is set, mended and taken away as the spec says."""
    manifest = claimed(HELD, spec={"index": spec}, status={"index": status})
    decision = decide(gathered(manifest, observed=FOUND, index=ObservedIndex(index=found)))
    assert list(decision.steps) == expected


def test_an_index_that_a_client_has_set_is_left_alone() -> None:
    """Without spec.index, Quiver does not look at the index at all."""
    assert steps(gathered(claimed(HELD), observed=FOUND)) == []


def test_an_index_under_way_is_told_with_its_progress() -> None:
    """The object is reconciling, is looked at again, and the message counts segments."""
    observed = ObservedIndex(index=INDEX, progress=BUILDING)
    manifest = claimed(HELD, spec={"index": IVF})
    decision = decide(gathered(manifest, observed=FOUND, index=observed))
    assert (decision.steps, decision.retry) == ((), True)
    assert decision.verdict.reason is Reason.INDEX_BUILDING
    assert "2 of 5 segments" in decision.verdict.message


BINDING = {"binding": {"secretName": "vectors"}}


def secret(*owners: str) -> Manifest:
    owner_references = [{"uid": uid} for uid in owners]
    return {"metadata": {"name": "vectors", "ownerReferences": owner_references}, "data": {}}


def test_a_binding_is_published_as_a_secret() -> None:
    """It tells type, provider, host, port and collection, and belongs to the object."""
    (step,) = decide(gathered(claimed(HELD, spec=BINDING), observed=FOUND)).steps
    assert isinstance(step, ApplySecret)
    entries = {key: base64.b64decode(v).decode() for key, v in step.manifest["data"].items()}
    assert entries == {
        "type": "milvus",
        "provider": "quiver",
        "host": "engine-0.engine.team-a.svc",
        "port": "19530",
        "collection": "test01",
    }
    assert step.manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-of-test01"


def test_a_secret_of_somebody_else_is_left_alone() -> None:
    """The object is Stalled, the message names the Secret, and the collection is made anyway."""
    found = gathered(claimed(HELD, spec=BINDING), observed=FOUND, secrets={"vectors": secret()})
    decision = decide(found)
    assert (decision.steps, decision.verdict.reason) == ((), Reason.BINDING_CONFLICT)
    assert "'vectors'" in decision.verdict.message
    new = gathered(collection(spec=BINDING), secrets={"vectors": secret()})
    assert steps(new) == [RecordClaim, CreateCollection, PublishEvent]


def test_a_secret_that_is_not_wanted_any_more_is_deleted() -> None:
    """Only if it is the object's own."""
    manifest = claimed(HELD, status={"binding": {"name": "vectors"}})
    ours, foreign = {"vectors": secret("uid-of-test01")}, {"vectors": secret("another")}
    assert steps(gathered(manifest, observed=FOUND, secrets=ours)) == [DeleteSecret]
    assert steps(gathered(manifest, observed=FOUND, secrets=foreign)) == []


FULL = Load({"engine-0": 4096}, {NAMESPACE: 4096})


def test_new_partitions_beyond_the_limit_are_not_made() -> None:
    """The load counts what there is: with the new partitions it would be too much."""
    manifest = claimed(HELD, spec={"partitions": ["a"]})
    decision = decide(gathered(manifest, observed=FOUND, load=FULL))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.QUOTA_EXCEEDED)
    assert decision.claim == HELD
    room = Load({"engine-0": 4095}, {})
    assert steps(gathered(manifest, observed=FOUND, load=room)) == [CreatePartition]


def test_what_is_gone_comes_back_no_larger_than_its_member_takes() -> None:
    """Partitions that were added meanwhile count against the limit; what there was before comes
    back in any case.
    """
    manifest = claimed(HELD, spec={"partitions": ["a"]}, status={"partitions": []})
    decision = decide(gathered(manifest, load=FULL))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.QUOTA_EXCEEDED)
    had = claimed(HELD, spec={"partitions": ["a"]}, status={"partitions": ["a"]})
    made = [CreateCollection, PublishEvent, CreatePartition]
    assert steps(gathered(had, load=FULL)) == made
    assert steps(lapsed(had, load=FULL)) == [ReplaceClaim, *made]


def test_a_full_member_is_no_trouble_to_what_it_has() -> None:
    """Who asks for no more than there is stays Ready, and may give partitions back."""
    shrinking = claimed(HELD, spec={"partitions": ["a"]}, status={"partitions": ["a", "b"]})
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a", "b"}))
    over = Load({"engine-0": 5000}, {NAMESPACE: 5000})
    found = gathered(shrinking, observed=observed, load=over)
    assert steps(found) == [DropPartition, PublishEvent]


SHARED = hosting(limits={"maxPerNamespace": 10})


@pytest.mark.parametrize(
    ("manifest", "host", "had", "has_share"),
    [
        (collection(), SHARED, 9, True),
        (collection(), SHARED, 10, False),
        (collection(spec={"partitions": ["a"]}), SHARED, 9, False),
        (collection(), hosting(), 4000, True),
        (
            collection(),
            msgspec.convert(engine(spec={"limits": {"maxPerNamespace": 10}}), VectorEngine),
            99,
            True,
        ),
        (claimed(HELD, spec={"partitions": ["a"]}), SHARED, 9, True),
        (claimed(HELD, spec={"partitions": ["a"]}), SHARED, 10, False),
        (claimed(HELD), SHARED, 99, True),
    ],
    ids=[
        "the last",
        "one more",
        "with a partition",
        "no limit",
        "the engine's own",
        "growing",
        "growing too far",
        "there already",
    ],
)
def test_a_guest_namespace_has_no_more_than_its_share(
    manifest: Manifest, host: VectorEngine, had: int, has_share: bool
) -> None:
    """Of all members together. What it has stays, if the share is made smaller."""
    load = Load({"engine-0": 20}, {NAMESPACE: had, "team-b": 4000})
    observed = FOUND if claim_of(manifest) else None
    decision = decide(gathered(manifest, engine=host, observed=observed, load=load))
    reason = Reason.AVAILABLE if has_share else Reason.QUOTA_EXCEEDED
    assert decision.verdict.reason is reason
    assert ("maxPerNamespace" in decision.verdict.message) is not has_share


def test_what_was_left_counts_towards_a_share() -> None:
    """Else a namespace could fill an engine by leaving things there; others' do not count."""
    left = {f"instance:0/{number}": NAMESPACE for number in range(5)} | {"instance:0/x": "team-b"}
    host = hosting(left, limits={"maxPerNamespace": 10})
    room, full = (
        gathered(engine=host, load=Load({}, {NAMESPACE: had})).has_share for had in (4, 5)
    )
    assert (room, full) == (True, False)
