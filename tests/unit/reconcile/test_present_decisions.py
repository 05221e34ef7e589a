"""What is decided about a collection that is to exist: what was found, and what follows."""

from typing import Any

import msgspec
import pytest

from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.collection_schemas import IndexProgress, ObservedCollection, ObservedIndex
from quiver.domain.collections import VectorCollection
from quiver.domain.conditions import State
from quiver.domain.engines import EngineType, VectorEngine
from quiver.domain.indexes import Index
from quiver.domain.milvus_forms import short_form
from quiver.domain.placement import Load
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
    CreateCollection,
    CreatePartition,
    DropPartition,
    KeepFinalizer,
    PublishEvent,
    RecordClaim,
    RecordLoss,
    ReplaceClaim,
    SetIndex,
)
from quiver.reconcile.collections.gathered import Gathered
from support.builders import NAMESPACE, claim, claimed, collection, engine
from support.gathered import (
    DELETED,
    ENDPOINT,
    EXTERNAL,
    FOUND,
    HELD,
    MEMBER,
    NO_SECRET,
    REFUSED,
    SCHEMA,
    SERVER,
    endpoint,
    gathered,
    hosting,
    lapsed,
    steps,
)


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


@pytest.mark.parametrize("type_", CAPABILITIES)
@pytest.mark.parametrize(
    ("spec", "size", "metric"),
    [
        ({}, 1024, "L2"),
        ({"indexFileSize": 512}, 512, "L2"),
        ({"metricType": "IP"}, 1024, "IP"),
    ],
    ids=["nothing", "a size", "a metric"],
)
def test_what_the_spec_does_not_name_is_the_default_of_the_type(
    type_: EngineType, spec: Any, size: int, metric: str
) -> None:
    """L2 on every engine, and 1024 MB on those that have a segment size for each collection."""
    of_type = msgspec.convert(engine(spec={"type": type_}), VectorEngine)
    wanted = msgspec.convert(claimed(HELD, spec=spec), VectorCollection).schema(type_)
    in_mb = None if type_ == "Milvus" and "indexFileSize" not in spec else size
    plain = msgspec.structs.replace(wanted, form=None)
    assert plain == msgspec.structs.replace(SCHEMA, index_file_size=in_mb, metric_type=metric)
    assert wanted.form == (short_form(256, metric) if type_ == "Milvus" else None)
    if type_ == "Milvus" and in_mb is not None:
        return  # refused there
    decision = decide(gathered(claimed(HELD, spec=spec), engine=of_type))
    created = next(step for step in decision.steps if isinstance(step, CreateCollection))
    assert created.schema == decision.schema == wanted


@pytest.mark.parametrize("spec", [{}, {"indexFileSize": 1024, "metricType": "L2"}])
def test_a_default_in_the_spec_is_no_difference(spec: Any) -> None:
    """A spec that names it and one that does not ask for the same collection."""
    decision = decide(gathered(claimed(HELD, spec=spec), observed=FOUND))
    assert (decision.steps, decision.verdict.state) == ((), State.READY)


def test_a_segment_of_the_default_size_has_to_fit_too() -> None:
    """A spec without indexFileSize is refused where segments of 1024 MB do not fit a GPU."""
    decision = decide(gathered(gpu_mib=1500))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.SEGMENT_TOO_LARGE)
    assert "A segment of 1024 MB needs 1544 MiB on a GPU" in decision.verdict.message


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
    anew = [RecordLoss, CreateCollection, PublishEvent]
    assert steps(gathered(bare)) == [KeepFinalizer, *anew]
    assert steps(lapsed(bare)) == [KeepFinalizer, ReplaceClaim, *anew]


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
        "a namesake that is being deleted",
        {"holder": "older", "holder_is_going": True},
        State.RECONCILING,
        Reason.NAME_TAKEN,
        "'older', which is being deleted. Quiver goes on once it is gone",
    ),
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


def test_whoever_waits_for_an_engine_is_told_that_its_volumes_are_taken_up() -> None:
    """By an engine of the same name. Who never was on a pod is told no such thing."""
    words = "If the engine had spec.storage, one of that name with the same storage takes up"
    for manifest, is_told in ((claimed(HELD), True), (collection(), False)):
        message = decide(gathered(manifest, engine=None, member=None)).verdict.message
        assert (words in message) is is_told
    away = claimed(claim(member=ENDPOINT))
    assert words not in decide(gathered(away, engine=None, member=None)).verdict.message


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


@pytest.mark.parametrize(
    ("error", "state", "retry"),
    [
        (EngineRefused("ILLEGAL_DIMENSION", "dimension 0"), State.STALLED, False),
        (EngineRefused("ANY", "busy", retriable=True), State.RECONCILING, True),
        (EngineDiskFull("ANY", "no room"), State.RECONCILING, True),
        (EngineUnreachable("connection refused"), State.RECONCILING, True),
        (WrongEngine("another engine"), State.RECONCILING, True),
        (EngineUnauthenticated("who are you?"), State.STALLED, False),
    ],
)
def test_a_step_that_fails_tells_whether_waiting_helps(
    error: EngineError, state: State, retry: bool
) -> None:
    """A refusal that stands is Stalled; what may pass is tried again."""
    decision = decide_after_failure(gathered(), error)
    assert (decision.verdict.state, decision.retry) == (state, retry)
    assert str(error) in decision.verdict.message


def test_a_refused_login_is_not_called_silence() -> None:
    """The message says whose login it is, and that nothing is to be done to the object."""
    verdict = decide(gathered(failure=EngineUnauthenticated("who are you?"))).verdict
    assert verdict[:2] == (State.STALLED, Reason.CREDENTIALS_REFUSED)
    assert verdict.message.startswith("Quiver is not let in: who are you?. The owner of VectorE")
    assert "team-a/engine can correct the login" in verdict.message


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


@pytest.mark.parametrize(
    ("before", "expected"),
    [({"nlist": 1024, "m": 16, "nbits": 4}, True), ({"nlist": 1024, "m": 16}, False)],
    ids=["taken off the spec", "the engine's own"],
)
def test_a_parameter_that_the_spec_does_not_name(before: Any, expected: bool) -> None:
    """One that it named before is built away; what the engine returns besides is its own choice."""
    wanted, found = (
        {"type": "IVF_PQ", "params": params}
        for params in ({"nlist": 1024, "m": 16}, {"nlist": 1024, "m": 16, "nbits": 4})
    )
    status = {"index": {"type": "IVF_PQ", "params": before}}
    manifest = claimed(HELD, spec={"index": wanted}, status=status)
    observed = ObservedIndex(index=msgspec.convert(found, Index))
    built = SetIndex(msgspec.convert(wanted, Index))
    decision = decide(gathered(manifest, observed=FOUND, index=observed))
    assert list(decision.steps) == ([built] if expected else [])


def test_a_new_collection_waits_for_no_index() -> None:
    """It has no rows to index: what comes later is indexed as it comes."""
    decision = decide(gathered(collection(spec={"index": IVF})))
    assert decision.steps[-1] == SetIndex(INDEX)
    assert (decision.verdict.reason, decision.retry) == (Reason.AVAILABLE, False)


def test_an_index_that_a_client_has_set_is_left_alone() -> None:
    """Without spec.index, Quiver does not look at the index at all."""
    assert steps(gathered(claimed(HELD), observed=FOUND)) == []


@pytest.mark.parametrize(
    ("built", "total", "told"),
    [(0, 0, "0 %"), (2, 5, "40 %"), (2, 3, "60 %"), (349, 1000, "30 %"), (999, 1000, "90 %")],
)
def test_an_index_under_way_is_told_with_its_progress(built: int, total: int, told: str) -> None:
    """The object is reconciling and is looked at again. The message counts in tenths, so that a
    large build does not rewrite the status at each look.
    """
    observed = ObservedIndex(index=INDEX, progress=IndexProgress(built=built, total=total))
    manifest = claimed(HELD, spec={"index": IVF})
    decision = decide(gathered(manifest, observed=FOUND, index=observed))
    assert (decision.steps, decision.retry) == ((), True)
    assert decision.verdict.reason is Reason.INDEX_BUILDING
    assert decision.verdict.message.endswith(f" {told} of the segments are indexed.")


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(BUILDING, []), (None, [SetIndex(INDEX)])],
    ids=["the engine tries again", "it does not"],
)
def test_why_a_build_failed_is_told(
    progress: IndexProgress | None, expected: list[SetIndex]
) -> None:
    """Whether or not it is built again meanwhile, and at each look in the same words."""
    observed = ObservedIndex(index=INDEX, progress=progress, failure="no room")
    manifest = claimed(HELD, spec={"index": IVF})
    decision = decide(gathered(manifest, observed=FOUND, index=observed))
    assert (list(decision.steps), decision.retry) == (expected, True)
    assert (decision.verdict.state, decision.verdict.reason) == (
        State.RECONCILING,
        Reason.INDEX_FAILED,
    )
    assert "could not build index IVF_FLAT: no room." in decision.verdict.message


def test_a_build_that_finds_no_room_says_that_the_disk_is_full() -> None:
    """The reason tells those who look at a list what to look after."""
    observed = ObservedIndex(index=INDEX, progress=BUILDING, failure="no room", disk_full=True)
    manifest = claimed(HELD, spec={"index": IVF})
    verdict = decide(gathered(manifest, observed=FOUND, index=observed)).verdict
    assert (verdict.state, verdict.reason) == (State.RECONCILING, Reason.DISK_FULL)


def test_a_failure_of_another_index_is_not_told() -> None:
    """The wanted one is asked for in its place."""
    other = msgspec.convert({"type": "HNSW", "params": {}}, Index)
    observed = ObservedIndex(index=other, progress=BUILDING, failure="no room")
    manifest = claimed(HELD, spec={"index": IVF})
    decision = decide(gathered(manifest, observed=FOUND, index=observed))
    assert list(decision.steps) == [SetIndex(INDEX)]
    assert decision.verdict.reason is Reason.INDEX_BUILDING


@pytest.mark.parametrize(
    "facts",
    [
        {"engine": EXTERNAL},
        {"manifest": claimed(claim(member=ENDPOINT, server="address:10.0.0.9:19530"))},
    ],
)
def test_an_engine_of_another_kind_is_said_to_be_one(facts: dict[str, Any]) -> None:
    """To raise replicas, or to list an endpoint, would mend nothing."""
    facts = {"manifest": claimed(HELD), "member": None, **facts}
    verdict = decide(gathered(**facts)).verdict
    assert verdict.reason is Reason.MEMBER_GONE
    assert "is of another kind now" in verdict.message
    assert "Delete this object" in verdict.message


GOING_ENGINE = msgspec.convert(engine(deletionTimestamp=DELETED), VectorEngine)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (gathered(engine=GOING_ENGINE), Reason.ENGINE_NOT_FOUND),
        (lapsed(engine=GOING_ENGINE), Reason.ENGINE_NOT_FOUND),
        (gathered(engine=GOING_ENGINE, allowed=False), Reason.NAMESPACE_NOT_ALLOWED),
        (gathered(claimed(HELD), engine=GOING_ENGINE, observed=FOUND), Reason.AVAILABLE),
    ],
    ids=["new", "of a server that is gone", "not admitted", "there already"],
)
def test_an_engine_that_is_being_deleted_gets_no_new_collections(
    found: Gathered, reason: Reason
) -> None:
    """What is there already goes on."""
    decision = decide(found)
    assert decision.verdict.reason == reason
    assert not {RecordClaim, CreateCollection} & {type(step) for step in decision.steps}
