"""What is decided about a VectorCollection, as tables: what was found, and what follows."""

import base64
from typing import Any

import msgspec
import pytest

from builders import claim, claimed, collection, engine
from quiver.domain.claims import FINALIZER, claim_of
from quiver.domain.collections import (
    CollectionSchema,
    Index,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
    VectorCollection,
)
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.members import Member
from quiver.domain.objects import Manifest
from quiver.domain.reasons import Reason
from quiver.ports.errors import EngineRefused, EngineUnreachable
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import (
    ApplySecret,
    CreateCollection,
    CreatePartition,
    DeleteSecret,
    DropCollection,
    DropPartition,
    RecordClaim,
    Release,
    SetIndex,
    Tell,
)
from quiver.reconcile.collections.gathered import Gathered, Report

MEMBER = Member("engine-0", "10.0.0.7:19530", "engine-0.engine.team-a.svc:19530", True, "engine-0")
SCHEMA = CollectionSchema(name="test01", dimension=256, index_file_size=1024, metric_type="L2")
FOUND = ObservedCollection(schema=SCHEMA)
DELETED = "2024-05-02T10:00:00Z"


def gathered(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return a world with a ready member that has no such collection, but for what `facts` say."""
    manifest = manifest or collection()
    told = {name: facts.pop(name) for name in ("index", "rows", "partition_rows") if name in facts}
    observed, failure = facts.pop("observed", None), facts.pop("failure", None)
    world: dict[str, Any] = {
        "report": Report(collection=observed, failure=failure, **told),
        "manifest": manifest,
        "collection": msgspec.convert(manifest, VectorCollection),
        "claim": claim_of(manifest),
        "engine": msgspec.convert(engine(), VectorEngine),
        "members": (MEMBER,),
        "member": MEMBER,
    }
    return Gathered(**world | facts)


def steps(found: Gathered) -> list[type]:
    return [type(step) for step in decide(found).steps]


def test_a_free_name_is_claimed_before_the_collection_is_created() -> None:
    """A claim is on record before anything is created, so that a crash leaves nothing unowned."""
    found = gathered(collection(spec={"partitions": ["a", "b"]}))
    assert steps(found) == [RecordClaim, CreateCollection, Tell, CreatePartition, CreatePartition]
    assert decide(found).verdict.state is State.READY


def test_a_crash_after_the_claim_is_made_good_without_a_second_claim() -> None:
    """A claimed collection that is not there yet is created, with nothing more to record."""
    decision = decide(gathered(claimed(claim())))
    assert [type(step) for step in decision.steps] == [CreateCollection, Tell]
    assert decision.steps[-1].event.reason == "Created"  # type: ignore[union-attr]


def test_a_collection_dropped_behind_our_back_comes_back_with_a_warning() -> None:
    """What was once there and is gone is created anew, and an event says that vectors are lost."""
    decision = decide(gathered(claimed(claim(), status={"origin": "Created"})))
    told = next(step.event for step in decision.steps if isinstance(step, Tell))
    assert (told.type, told.reason) == ("Warning", "Recreated")
    assert "lost" in told.note


def test_a_collection_in_place_needs_nothing() -> None:
    """Nothing is done, and Ready is said, when the engine has what the spec says."""
    decision = decide(gathered(claimed(claim()), observed=FOUND))
    assert (decision.steps, decision.verdict.state) == ((), State.READY)
    assert decision.placement is not None
    assert decision.placement.endpoint == "engine-0.engine.team-a.svc:19530"


def test_a_claim_wiped_from_the_annotations_is_restored_from_the_status() -> None:
    """After `kubectl replace` the status still holds the claim, and it is written again."""
    status = {"claim": msgspec.to_builtins(claim()), "origin": "Created"}
    assert steps(gathered(collection(status=status), observed=FOUND)) == [RecordClaim]


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
    ("an older namesake", {"holder": "older"}, State.STALLED, Reason.NAME_TAKEN, "'older'"),
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
    decision = decide(gathered(claimed(claim()), observed=ObservedCollection(schema=schema)))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.SPEC_DIFFERS)
    assert told in decision.verdict.message


def test_a_claimed_collection_waits_for_its_own_pod() -> None:
    """A collection stays with its pod: another ready one is no place for it."""
    held = claimed(claim(member="engine-1"))
    decision = decide(gathered(held, member=None, members=(MEMBER,)))
    assert decision.verdict.reason is Reason.ENGINE_NOT_READY
    assert "engine-1" in decision.verdict.message


def test_an_endpoint_taken_off_the_list_stalls_its_collections() -> None:
    """Quiver does not make an empty collection elsewhere and call that Ready."""
    external = msgspec.convert(
        engine(spec={"external": {"endpoints": ["new:19530"]}}), VectorEngine
    )
    held = claimed(claim(member="old:19530"))
    decision = decide(gathered(held, engine=external, member=None))
    assert (decision.verdict.state, decision.verdict.reason) == (State.STALLED, Reason.MEMBER_GONE)


@pytest.mark.parametrize(
    ("policy", "expected"), [("Delete", [DropPartition, Tell]), ("Retain", [])]
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
    manifest = claimed(claim(), spec={"partitions": ["a", "b"]})
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a"}))
    assert decide(gathered(manifest, observed=observed)).steps == (CreatePartition("b"),)


def test_an_engine_made_anew_takes_its_collections_over() -> None:
    """The pod and its volume kept their names, so the claim moves to the new engine's uid."""
    anew = msgspec.convert(engine(uid="uid-of-the-new-engine"), VectorEngine)
    decision = decide(gathered(claimed(claim()), engine=anew, observed=FOUND))
    assert [type(step) for step in decision.steps] == [RecordClaim]
    assert decision.claim is not None
    assert decision.claim.engine_uid == "uid-of-the-new-engine"


def going(held: bool = True, **rest: Any) -> Manifest:
    if held:
        return claimed(claim(), deletionTimestamp=DELETED, **rest)
    return collection(deletionTimestamp=DELETED, finalizers=[FINALIZER], **rest)


RETAIN = {"deletionPolicy": "Retain"}
OTHER = ObservedCollection(schema=msgspec.structs.replace(SCHEMA, dimension=8))
DELETIONS: list[tuple[str, Gathered, list[type]]] = [
    ("it is there", gathered(going(), observed=FOUND), [DropCollection, Tell, Release]),
    ("it is gone already", gathered(going()), [Release]),
    ("it was never claimed", gathered(going(held=False), observed=FOUND), [Release]),
    ("it is to be retained", gathered(going(spec=RETAIN), observed=FOUND), [Tell, Release]),
    ("its engine is gone", gathered(going(), engine=None, member=None), [Tell, Release]),
    ("it is another one now", gathered(going(), observed=OTHER), [Tell, Release]),
    ("its pod is not ready", gathered(going(), member=None), []),
    ("its engine is silent", gathered(going(), failure=EngineUnreachable("silence")), []),
]


@pytest.mark.parametrize(
    ("found", "expected"), [c[1:] for c in DELETIONS], ids=[c[0] for c in DELETIONS]
)
def test_a_deleted_object_goes_as_its_policy_says(found: Gathered, expected: list[type]) -> None:
    """What is claimed is dropped, all else is left, and the finalizer goes last."""
    assert steps(found) == expected


@pytest.mark.parametrize(
    "found", [c[1] for c in DELETIONS if not c[2]], ids=["not ready", "silent"]
)
def test_a_deletion_that_cannot_be_done_waits_and_says_the_way_out(found: Gathered) -> None:
    """Quiver never gives up a deletion; the condition tells why it waits and what ends the wait."""
    decision = decide(found)
    assert decision.retry
    assert "Retain" in decision.verdict.message


def test_an_object_without_our_finalizer_is_not_touched() -> None:
    """Another controller's finalizer keeps it: it is none of our business any more."""
    manifest = collection(deletionTimestamp=DELETED, finalizers=["example.com/other"])
    assert steps(gathered(manifest, observed=FOUND)) == []


@pytest.mark.parametrize(
    ("error", "state", "retry"),
    [
        (EngineRefused("ILLEGAL_DIMENSION", "dimension 0"), State.STALLED, False),
        (EngineRefused("UNEXPECTED_ERROR", "busy"), State.RECONCILING, True),
        (EngineUnreachable("connection refused"), State.RECONCILING, True),
    ],
)
def test_a_step_that_fails_tells_whether_waiting_helps(
    error: Exception, state: State, retry: bool
) -> None:
    """A refusal that stands is Stalled; what may pass is tried again."""
    decision = decide_after_failure(gathered(), error)
    assert (decision.verdict.state, decision.retry) == (state, retry)
    assert str(error) in decision.verdict.message


IDENTICAL = {"adoptionPolicy": "IfIdentical"}


def test_an_identical_collection_is_adopted_where_asked_for() -> None:
    """It is claimed as adopted, so that deleting the object will keep it, and an event tells."""
    decision = decide(gathered(collection(spec=IDENTICAL), observed=FOUND))
    assert [type(step) for step in decision.steps] == [RecordClaim, Tell]
    assert decision.claim is not None
    assert decision.claim.origin == "Adopted"


def test_a_collection_that_differs_is_not_adopted() -> None:
    """The message lists what differs, and nothing is claimed."""
    decision = decide(gathered(collection(spec=IDENTICAL), observed=OTHER))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.ALREADY_EXISTS)
    assert "dimension is 8, not 256" in decision.verdict.message


def test_an_adopted_collection_stays_unless_its_object_says_otherwise() -> None:
    """What Quiver did not create, it does not drop by default."""
    adopted = claim(origin="Adopted")
    going_away = {"deletionTimestamp": DELETED}
    assert steps(gathered(claimed(adopted, **going_away), observed=FOUND)) == [Tell, Release]
    chosen = claimed(adopted, spec={"deletionPolicy": "Delete"}, **going_away)
    assert steps(gathered(chosen, observed=FOUND)) == [DropCollection, Tell, Release]


@pytest.mark.parametrize(("rows", "expected"), [(0, [DropCollection, Tell, Release]), (7, [])])
def test_delete_if_empty_drops_what_is_empty(rows: int, expected: list[type]) -> None:
    """A collection with vectors waits; the message counts them."""
    found = gathered(going(spec={"deletionPolicy": "DeleteIfEmpty"}), observed=FOUND, rows=rows)
    assert steps(found) == expected
    if rows:
        assert "7 vectors" in decide(found).verdict.message


@pytest.mark.parametrize(("rows", "expected"), [(0, [DropPartition, Tell]), (7, [])])
def test_delete_if_empty_drops_partitions_that_are_empty(rows: int, expected: list[type]) -> None:
    """A partition with vectors that is taken off the list stays, and the condition says so."""
    spec = {"deletionPolicy": "DeleteIfEmpty"}
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset({"a"}))
    manifest = claimed(claim(), spec=spec, status={"partitions": ["a"]})
    found = gathered(manifest, observed=observed, partition_rows={"a": rows})
    assert steps(found) == expected
    assert decide(found).verdict.reason is (Reason.NOT_EMPTY if rows else Reason.AVAILABLE)


def test_a_suspended_object_is_left_as_it_is() -> None:
    """Nothing is done while spec.suspend is true, and the claim stays."""
    decision = decide(gathered(claimed(claim(), spec={"suspend": True})))
    assert (decision.steps, decision.verdict.state) == ((), State.SUSPENDED)
    assert decision.claim == claim()


def test_a_suspended_object_that_is_deleted_leaves_its_collection() -> None:
    """Hands off, and no namespace is held up by it."""
    found = gathered(going(spec={"suspend": True}), engine=None, member=None)
    assert steps(found) == [Tell, Release]


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
    manifest = claimed(claim(), spec={"index": spec}, status={"index": status})
    decision = decide(gathered(manifest, observed=FOUND, index=ObservedIndex(index=found)))
    assert list(decision.steps) == expected


def test_an_index_that_a_client_has_set_is_left_alone() -> None:
    """Without spec.index, Quiver does not look at the index at all."""
    assert steps(gathered(claimed(claim()), observed=FOUND)) == []


def test_an_index_under_way_is_told_with_its_progress() -> None:
    """The object is reconciling, is looked at again, and the message counts segments."""
    observed = ObservedIndex(index=INDEX, progress=BUILDING)
    manifest = claimed(claim(), spec={"index": IVF})
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
    (step,) = decide(gathered(claimed(claim(), spec=BINDING), observed=FOUND)).steps
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
    found = gathered(claimed(claim(), spec=BINDING), observed=FOUND, secrets={"vectors": secret()})
    decision = decide(found)
    assert (decision.steps, decision.verdict.reason) == ((), Reason.BINDING_CONFLICT)
    assert "'vectors'" in decision.verdict.message
    new = gathered(collection(spec=BINDING), secrets={"vectors": secret()})
    assert steps(new) == [RecordClaim, CreateCollection, Tell]


def test_a_secret_that_is_not_wanted_any_more_is_deleted() -> None:
    """Only if it is the object's own."""
    manifest = claimed(claim(), status={"binding": {"name": "vectors"}})
    ours, foreign = {"vectors": secret("uid-of-test01")}, {"vectors": secret("another")}
    assert steps(gathered(manifest, observed=FOUND, secrets=ours)) == [DeleteSecret]
    assert steps(gathered(manifest, observed=FOUND, secrets=foreign)) == []


def test_new_partitions_beyond_the_limit_are_not_made() -> None:
    """The load counts what the spec asks for: with the new partitions it would be too much."""
    manifest = claimed(claim(), spec={"partitions": ["a"]})
    decision = decide(gathered(manifest, observed=FOUND, load={"engine-0": 4097}))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.QUOTA_EXCEEDED)


def test_what_is_gone_comes_back_no_larger_than_its_member_takes() -> None:
    """Partitions that were added meanwhile count against the limit; what there was before comes
    back in any case.
    """
    manifest = claimed(claim(), spec={"partitions": ["a"]}, status={"partitions": []})
    decision = decide(gathered(manifest, load={"engine-0": 4097}))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.QUOTA_EXCEEDED)
    had = claimed(claim(), spec={"partitions": ["a"]}, status={"partitions": ["a"]})
    assert steps(gathered(had, load={"engine-0": 4097})) == [
        CreateCollection,
        Tell,
        CreatePartition,
    ]
