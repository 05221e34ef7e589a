"""What is decided about a VectorEngine, as tables: what was found, and what follows."""

import copy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from quiver.domain.access import Access, Dialled
from quiver.domain.conditions import State, Verdict
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import (
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.possession import ENGINE_FINALIZER, UID_ANNOTATION
from quiver.domain.reasons import Reason
from quiver.ports.errors import EngineRefused
from quiver.reconcile.engines.decide import Decision, decide
from quiver.reconcile.engines.default_image import default_image
from quiver.reconcile.engines.disruption_budget import disruption_budget_for
from quiver.reconcile.engines.gather import Gathered, Held
from quiver.reconcile.engines.reports import Looks
from quiver.reconcile.engines.scaling import highest_replicas
from quiver.reconcile.engines.unclaimed import Unclaimed
from quiver.reconcile.engines.workload import (
    service_for,
    stateful_set_for,
)
from support.builders import INSTALLATION, NAMESPACE, engine, pod

IMAGE = "registry.example/quiver-engine:1"
MILVUS = {"type": "Milvus", "image": "milvusdb/milvus:v2.6.4"}


def gathered(
    spec: Manifest | None = None,
    *,
    pods: tuple[Manifest, ...] = (),
    status: Manifest | None = None,
    **facts: Any,
) -> Gathered:
    """Return an engine whose workload was applied and has rolled out, but for what `facts` say."""
    parsed = msgspec.convert(engine(spec=spec, status=status), VectorEngine)
    found: dict[str, Any] = {
        "engine": parsed,
        "operator_pods": INSTALLATION.operator_pods,
        "service": service_for(parsed),
        "disruption_budget": disruption_budget_for(parsed),
        "stateful_set": rolled_out(parsed),
        "pods": tuple(msgspec.convert(p, Pod) for p in pods),
    }
    return Gathered(**found | facts)


def rolled_out(parsed: VectorEngine, replicas: int | None = None) -> Manifest:
    count = parsed.spec.replicas if replicas is None else replicas
    live = copy.deepcopy(stateful_set_for(parsed, image=parsed.spec.image or IMAGE, replicas=count))
    live["metadata"]["generation"] = 1
    live["status"] = {"observedGeneration": 1, "updateRevision": "r", "currentRevision": "r"}
    return live


@pytest.mark.parametrize(
    ("spec", "guards"), [({}, [POD_DISRUPTION_BUDGET]), ({"storage": {"size": "1Gi"}}, [])]
)
def test_a_new_engine_gets_its_parts(spec: Manifest, guards: list[Kind]) -> None:
    """All are applied at once, and the engine says that it rolls out. Where pods would lose their
    vectors, none is there before the budget that keeps it from being evicted.
    """
    new = gathered(spec, service=None, stateful_set=None, disruption_budget=None)
    decision = decide(new, IMAGE)
    assert [kind for kind, _ in decision.manifests] == [*guards, SERVICE, STATEFUL_SET]
    assert decision.verdict[:2] == (State.RECONCILING, Reason.STARTING)


def test_nothing_is_written_when_nothing_differs() -> None:
    """What the API server added by itself, and how it writes quantities, is no difference."""
    spec = {"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}}}
    found = gathered(spec, pods=(pod(),))
    live = found.stateful_set
    assert live is not None
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"] = {"cpu": "1", "memory": "1Gi"}
    container["terminationMessagePath"] = "/dev/termination-log"
    assert decide(found, IMAGE).manifests == ()


def test_a_changed_image_is_applied() -> None:
    """A new image makes the live StatefulSet stale."""
    found = gathered(
        {"image": "registry.example/new:2"}, stateful_set=rolled_out(gathered().engine)
    )
    assert [kind for kind, _ in decide(found, IMAGE).manifests] == [STATEFUL_SET]


def test_a_field_taken_out_of_the_spec_is_applied() -> None:
    """A live object that has more than the manifest says is stale where the more was ours."""
    before = msgspec.convert(engine(spec={"nodeSelector": {"zone": "a"}}), VectorEngine)
    found = gathered(stateful_set=rolled_out(before))
    assert [kind for kind, _ in decide(found, IMAGE).manifests] == [STATEFUL_SET]


NEWER = "registry.example/quiver-engine:2"
"""What the operator has after an upgrade."""


def test_an_upgrade_leaves_pods_without_storage_their_image() -> None:
    """New pods would be without the vectors. The status records which image the pods were made
    with; until it does, the StatefulSet shows it.
    """
    found = gathered(pods=(pod(),))
    assert decide(found, NEWER).manifests == ()
    assert default_image(found, NEWER) == IMAGE
    recorded = gathered(pods=(pod(),), status={"defaultImage": IMAGE})
    assert recorded.stateful_set is not None
    container = recorded.stateful_set["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "edited"
    ((_, applied),) = decide(recorded, NEWER).manifests
    assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


@pytest.mark.parametrize(
    ("spec", "facts"),
    [
        ({"storage": {"size": "1Gi"}}, {}),
        ({"image": "theirs:1"}, {}),
        ({"replicas": 0}, {}),
        ({}, {"stateful_set": None}),
        ({}, {"stateful_set": {"metadata": {"name": "engine"}, "spec": {"replicas": 1}}}),
    ],
    ids=["with storage", "an image of their own", "no pods", "new", "of another owner"],
)
def test_an_upgrade_brings_its_image_where_it_loses_nothing(
    spec: Manifest, facts: dict[str, Any]
) -> None:
    """With storage, and where no pods were made of the default image before."""
    assert default_image(gathered(spec, **facts), NEWER) == NEWER


def test_an_edit_by_hand_is_put_back() -> None:
    """Drift in the StatefulSet is repaired."""
    found = gathered(pods=(pod(),))
    assert found.stateful_set is not None
    found.stateful_set["spec"]["replicas"] = 0
    assert [kind for kind, _ in decide(found, IMAGE).manifests] == [STATEFUL_SET]


@pytest.mark.parametrize("kind", ["stateful_set", "service", "disruption_budget"])
def test_what_an_engine_of_the_same_name_has_left_behind_is_waited_for(kind: str) -> None:
    """The garbage collector removes it: nobody has to change anything."""
    owner = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorEngine", "name": "engine"}
    left = {"metadata": {"name": "engine", "ownerReferences": [{**owner, "uid": "earlier"}]}}
    going = {"metadata": {"name": "engine", "deletionTimestamp": "2024-05-02T10:00:00Z"}}
    for live in (left, going):
        decision = decide(gathered(**{kind: live}), IMAGE)
        assert decision.manifests == ()
        assert decision.verdict[:2] == (State.RECONCILING, Reason.NAME_TAKEN)


@pytest.mark.parametrize("kind", ["stateful_set", "service", "disruption_budget"])
def test_a_workload_of_another_owner_is_left_alone(kind: str) -> None:
    """An object of that name that is not ours stalls the engine, and nothing is applied."""
    foreign = {"metadata": {"name": "engine", "ownerReferences": []}}
    decision = decide(gathered(**{kind: foreign}), IMAGE)
    assert decision.manifests == ()
    assert decision.verdict[:2] == (State.STALLED, Reason.NAME_TAKEN)


def unschedulable() -> Manifest:
    waiting = pod(ready=False, ip=None)
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    waiting["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    ]
    return waiting


def crashing() -> Manifest:
    failing = pod(ready=False)
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    failing["status"]["containerStatuses"] = [{"name": "engine", "state": state}]
    return failing


def held(ordinal: int, name: str = "docs", *, is_going: bool = False) -> Held:
    return Held(ordinal, Key(NAMESPACE, name), is_going)


ONCE_THREE = {"highestReplicas": 3}
TOO_MANY = EngineRefused("TOO_MANY_NAMES", "too many names")
BUSY = EngineRefused("RESOURCE_EXHAUSTED", "busy", retriable=True)
TWO = {"external": {"endpoints": ["a.org:1", "b.org:1"]}}
REFUSED = Verdict.stalled(Reason.ENDPOINT_REFUSED, "127.0.0.1 is a loopback address.")
UNKNOWN = Verdict.reconciling(Reason.ENGINE_UNREACHABLE, "there is no such name")


def endpoints(a: Verdict | None, b: Verdict | None) -> Access:
    return Access(endpoints={"a.org:1": Dialled(refusal=a), "b.org:1": Dialled(refusal=b)})


STANDINGS: list[tuple[str, Gathered, State, Reason, str]] = [
    ("ready", gathered(pods=(pod(),)), State.READY, Reason.AVAILABLE, "1 of 1 pod ready"),
    (
        "starting",
        gathered(pods=(pod(ready=False),)),
        State.RECONCILING,
        Reason.STARTING,
        "0 of 1 pod",
    ),
    (
        "no room",
        gathered(pods=(unschedulable(),)),
        State.RECONCILING,
        Reason.UNSCHEDULABLE,
        "Insufficient nvidia.com/gpu",
    ),
    (
        "crashing",
        gathered(pods=(crashing(),)),
        State.RECONCILING,
        Reason.POD_FAILING,
        "CrashLoopBackOff",
    ),
    ("zero", gathered({"replicas": 0}), State.READY, Reason.SCALED_TO_ZERO, "no pods"),
    (
        "scale-down",
        gathered(pods=(pod(), pod("engine-1")), beyond=(held(1),), status=ONCE_THREE),
        State.STALLED,
        Reason.SCALE_DOWN_BLOCKED,
        "pod engine-1 holds collections: team-a/docs. Delete these VectorCollections, or set",
    ),
    (
        "scale-down of two pods",
        gathered(beyond=(held(1), held(2, "faces", is_going=True)), status=ONCE_THREE),
        State.STALLED,
        Reason.SCALE_DOWN_BLOCKED,
        "pods engine-1, engine-2 hold collections: team-a/docs, team-a/faces.",
    ),
    (
        "scale-down that goes on by itself",
        gathered(beyond=(held(1, is_going=True),), status=ONCE_THREE),
        State.RECONCILING,
        Reason.SCALE_DOWN_BLOCKED,
        "They are being deleted. Quiver scales down once they are gone.",
    ),
    (
        "scale-down of a pod with what no object claims",
        gathered(unclaimed=(Unclaimed(1, ("old",)), Unclaimed(2, ("theirs",)))),
        State.STALLED,
        Reason.SCALE_DOWN_BLOCKED,
        "Pods engine-1, engine-2 hold collections that no VectorCollection claims: old, theirs.",
    ),
    (
        "scale-down of a pod that does not answer",
        gathered(unclaimed=(Unclaimed(1, silence="it is not ready"),)),
        State.RECONCILING,
        Reason.SCALE_DOWN_BLOCKED,
        "Pod engine-1 does not say which collections it holds: it is not ready. Set replicas back",
    ),
    (
        "silent endpoint",
        gathered(TWO, looks=Looks(silent={"b.org:1": "refused"})),
        State.RECONCILING,
        Reason.ENGINE_UNREACHABLE,
        "1 of 2 endpoints cannot be used: b.org:1: refused",
    ),
    (
        "endpoint that must not be dialled",
        gathered(TWO, access=endpoints(REFUSED, None)),
        State.STALLED,
        Reason.ENDPOINT_REFUSED,
        "1 of 2 endpoints cannot be used: a.org:1: 127.0.0.1 is a loopback",
    ),
    (
        "endpoint whose name is not found",
        gathered(TWO, access=endpoints(UNKNOWN, None)),
        State.RECONCILING,
        Reason.ENGINE_UNREACHABLE,
        "a.org:1: there is no such name",
    ),
    (
        "endpoints with troubles of all kinds",
        gathered(
            TWO, access=endpoints(UNKNOWN, REFUSED), looks=Looks(silent={"c.org:1": "silent"})
        ),
        State.STALLED,
        Reason.ENDPOINT_REFUSED,
        "no such name; b.org:1: 127.0.0.1 is a loopback address.; c.org:1: silent",
    ),
    (
        "endpoint that lists nothing",
        gathered(TWO, unlisted={"b.org:1": TOO_MANY, "gone.org:1": BUSY}),
        State.STALLED,
        Reason.ENGINE_REFUSED,
        "see there what is missing. b.org:1: too many names",
    ),
    (
        "endpoint that is too busy to list",
        gathered(TWO, unlisted={"b.org:1": BUSY}),
        State.RECONCILING,
        Reason.ENGINE_REFUSED,
        "1 of 2 members did not list their collections",
    ),
    (
        "busy endpoint beside one that never lists",
        gathered(TWO, unlisted={"a.org:1": BUSY, "b.org:1": TOO_MANY}),
        State.STALLED,
        Reason.ENGINE_REFUSED,
        "see there what is missing. b.org:1: too many names",
    ),
    (
        "silent endpoint beside one that lists nothing",
        gathered(TWO, looks=Looks(silent={"a.org:1": "refused"}), unlisted={"b.org:1": TOO_MANY}),
        State.RECONCILING,
        Reason.ENGINE_UNREACHABLE,
        "1 of 2 endpoints cannot be used: a.org:1: refused",
    ),
    (
        "pod that lists nothing",
        gathered(pods=(pod(),), unlisted={"engine-0": TOO_MANY}),
        State.STALLED,
        Reason.ENGINE_REFUSED,
        "1 of 1 members did not list their collections",
    ),
    (
        "endpoints",
        gathered({"external": {"endpoints": ["a.org:1"]}}),
        State.READY,
        Reason.AVAILABLE,
        "1 endpoint",
    ),
]


def test_what_is_said_of_many_collections_that_block_a_scale_down_fits_a_condition() -> None:
    """The first pods and collections are named, and the others counted."""
    beyond = tuple(held(ordinal, "x" * 253) for ordinal in range(1, 64) for _ in range(100))
    found = gathered(beyond=beyond, status={"highestReplicas": 64})
    message = decide(found, IMAGE).verdict.message
    assert "engine-8, and 55 more hold collections: team-a/xxx" in message
    assert ", and 6292 more. Delete these VectorCollections" in message
    assert len(message) < 4096


def test_what_is_said_of_many_endpoints_fits_a_condition() -> None:
    """The first of them are named, and the others counted."""
    names = [f"{number:02}.{'x' * 250}:19530" for number in range(64)]
    silent = {name: f"{name} cannot be reached: {'x' * 200}" for name in names}
    found = gathered({"external": {"endpoints": names}}, looks=Looks(silent=silent))
    message = decide(found, IMAGE).verdict.message
    assert message.startswith(f"64 of 64 endpoints cannot be used: {names[0]}: ")
    assert message.endswith("; and 56 more")
    assert len(message) < 8192


@pytest.mark.parametrize(
    ("found", "state", "reason", "told"), [c[1:] for c in STANDINGS], ids=[c[0] for c in STANDINGS]
)
def test_an_engine_tells_how_it_stands(
    found: Gathered, state: State, reason: Reason, told: str
) -> None:
    """The verdict carries what the scheduler, the kubelet or the endpoints say."""
    verdict = decide(found, IMAGE).verdict
    assert verdict[:2] == (state, reason)
    assert told in verdict.message


@pytest.mark.parametrize(
    ("in_use", "status", "replicas"),
    [
        ({2}, ONCE_THREE, 3),
        ({0}, ONCE_THREE, 1),
        ({0, 2}, ONCE_THREE, 3),
        ({3}, ONCE_THREE, 0),
        ({0, 999999}, ONCE_THREE, 1),
        ({0}, {"highestReplicas": 0}, 0),
        ({1}, {}, 2),
        ({2}, {}, 0),
    ],
)
def test_a_pod_that_holds_collections_is_not_scaled_away(
    in_use: set[int], status: Manifest, replicas: int
) -> None:
    """The StatefulSet keeps as many replicas as the highest pod in use needs: no claim makes it
    have more than the spec ever asked for or, where that is not known, than it has.
    """
    parsed = gathered().engine
    found = gathered(
        {"replicas": 0},
        status=status,
        beyond=tuple(held(ordinal) for ordinal in sorted(in_use)),
        stateful_set=rolled_out(parsed, replicas=2),
    )
    applied = [m for kind, m in decide(found, IMAGE).manifests if kind == STATEFUL_SET]
    assert [m["spec"]["replicas"] for m in applied] == ([replicas] if replicas != 2 else [])


def test_a_pod_with_what_no_object_claims_is_not_scaled_away() -> None:
    """The StatefulSet keeps the pod, and the engine is looked at again: nothing tells that such a
    collection was dropped.
    """
    two = rolled_out(gathered().engine, replicas=3)
    found = gathered({"replicas": 0}, unclaimed=(Unclaimed(1, ("old",)),), stateful_set=two)
    decision = decide(found, IMAGE)
    applied = [m for kind, m in decision.manifests if kind == STATEFUL_SET]
    assert [m["spec"]["replicas"] for m in applied] == [2]
    assert decision.retry


@pytest.mark.parametrize(
    ("spec", "status", "live", "highest"),
    [
        (1, {}, None, 1),
        (1, {}, 4, 4),
        (5, {}, 4, 5),
        (1, ONCE_THREE, 4, 3),
        (5, ONCE_THREE, None, 5),
        (0, {"highestReplicas": 0}, 4, 0),
    ],
)
def test_the_most_replicas_are_remembered(
    spec: int, status: Manifest, live: int | None, highest: int
) -> None:
    """As the spec asked for them; an engine of before goes by the StatefulSet that it has."""
    manifest = None if live is None else rolled_out(gathered().engine, replicas=live)
    found = gathered({"replicas": spec}, status=status, stateful_set=manifest)
    assert highest_replicas(found) == highest


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "Milvus1"}, "spec.image is required for type Milvus1"),
        ({"type": "Milvus"}, "spec.image is required for type Milvus"),
        ({**MILVUS, "replicas": 2}, "spec.replicas must be 0 or 1 for pods of type Milvus"),
        ({**MILVUS, "auth": {"secretName": "s"}}, "spec.auth must not be given for pods"),
        ({"type": "Milvus1", "image": "m", "tls": {"secretName": "t"}}, "do not speak TLS"),
        ({"podAnnotations": {str(n): "b" * 8192 for n in range(12)}}, "may take at most 98304"),
    ],
)
def test_pods_are_not_asked_for_what_their_type_cannot_do(spec: Manifest, words: str) -> None:
    """Stored under a looser CRD, such a spec is Stalled and says what to do: nothing is applied.
    No option is passed on that the image does not know, and no pod grows without bounds.
    """
    decision = decide(gathered(spec), IMAGE)
    assert decision.verdict[:2] == (State.STALLED, Reason.INVALID_SPEC)
    assert words in decision.verdict.message
    assert decision.manifests == ()


def test_others_may_put_tls_before_an_engine_that_has_none() -> None:
    """What they run at an endpoint is theirs: Quiver dials it as the spec says."""
    found = gathered({"type": "Milvus1", "tls": {}, "external": {"endpoints": ["m.org:19530"]}})
    assert decide(found, IMAGE).verdict.state is State.READY


def test_a_trouble_with_a_secret_is_told_and_the_workload_kept_as_it_should_be() -> None:
    """Pods that run go on with what they have; what is to change is changed all the same."""
    trouble = Verdict.stalled(Reason.SECRET_INVALID, "Secret 't' cannot be used.")
    settled = gathered(access=Access(trouble=trouble))
    assert decide(settled, IMAGE) == Decision(trouble, retry=True)
    new = replace(settled, stateful_set=None, service=None)
    assert [kind for kind, _ in decide(new, IMAGE).manifests] == [SERVICE, STATEFUL_SET]


def going(
    *collections: Held, finalizers: tuple[str, ...] = (ENGINE_FINALIZER,), **facts: Any
) -> Any:
    """Return an engine that is being deleted, with these collections on its pods."""
    found = gathered(status=ONCE_THREE, **facts)
    metadata = msgspec.structs.replace(
        found.engine.metadata, deletion_timestamp="2024-05-02T10:00:00Z", finalizers=finalizers
    )
    parsed = msgspec.structs.replace(found.engine, metadata=metadata)
    return replace(found, engine=parsed, held=tuple(collections))


@pytest.mark.parametrize(
    ("held_there", "state", "told"),
    [
        (held(0), State.STALLED, "team-a/docs. Delete these VectorCollections: the engine and its"),
        (held(0, is_going=True), State.RECONCILING, "team-a/docs. They are being deleted."),
    ],
)
def test_an_engine_that_is_deleted_waits_for_its_collections(
    held_there: Held, state: State, told: str
) -> None:
    """It names them, and nothing of it is deleted: a Service that is missing is made again."""
    decision = decide(going(held_there, service=None), IMAGE)
    assert decision.verdict[:2] == (state, Reason.DELETION_BLOCKED)
    assert told in decision.verdict.message
    assert [kind for kind, _ in decision.manifests] == [SERVICE]
    assert (decision.deletions, decision.is_to_go) == ((), False)


@pytest.mark.parametrize(
    "found",
    [
        going(),
        going(held(7)),
        going(held(0), is_namespace_going=True),
        going(held(0), finalizers=("others.example/keep",)),
    ],
    ids=["empty", "a claim on a pod that never was", "namespace goes too", "finalizer taken off"],
)
def test_an_engine_that_waits_for_nothing_goes_with_its_parts(found: Gathered) -> None:
    """The StatefulSet first: what guards the pods is there until they are told to go."""
    decision = decide(found, IMAGE)
    assert [kind for kind, _ in decision.deletions] == [
        STATEFUL_SET,
        SERVICE,
        POD_DISRUPTION_BUDGET,
    ]
    assert decision.is_to_go


def test_an_external_engine_that_is_deleted_waits_for_its_collections() -> None:
    """One rule for all engines: without the engine nothing on its server is dropped any more."""
    decision = decide(going(held(0), spec=TWO), IMAGE)
    assert decision.verdict[:2] == (State.STALLED, Reason.DELETION_BLOCKED)
    assert "the engine goes once they are gone. To leave all" in decision.verdict.message
    assert not decision.is_to_go
    assert decide(going(spec=TWO), IMAGE).is_to_go


@pytest.mark.parametrize(
    ("found", "is_to_go"),
    [
        (held(0, is_going=True), False),
        (held(0), False),
        (held(0, is_going=True)._replace(is_stuck=True), True),
        (held(0)._replace(collection=Key("team-b", "docs")), True),
    ],
    ids=["goes", "is to go", "cannot be dropped", "of another namespace"],
)
def test_an_external_engine_goes_with_its_namespace_and_after_what_can_be_dropped(
    found: Held, *, is_to_go: bool
) -> None:
    """What cannot be dropped does not have the namespace hang; so the engine is looked at again."""
    decision = decide(going(found, spec=TWO, is_namespace_going=True), IMAGE)
    assert (decision.is_to_go, decision.retry) == (is_to_go, not is_to_go)


def test_what_an_engine_of_the_name_has_left_without_an_owner_is_deleted() -> None:
    """The garbage collector does not know whose it was."""
    earlier = copy.deepcopy(rolled_out(gathered().engine))
    earlier["metadata"]["annotations"][UID_ANNOTATION] = "uid-of-the-one-before"
    decision = decide(gathered(stateful_set=earlier), IMAGE)
    assert decision.deletions == ((STATEFUL_SET, earlier),)
    assert decision.verdict[:2] == (State.RECONCILING, Reason.NAME_TAKEN)
    assert decision.retry


@pytest.mark.parametrize("spec", [None, TWO], ids=["pods", "external"])
def test_a_protected_engine_that_is_deleted_past_the_policy_stays(spec: Manifest | None) -> None:
    """As long as its finalizer can hold it: not in a namespace that goes."""
    protected = {**(spec or {}), "deletionProtection": True}
    decision = decide(going(spec=protected), IMAGE)
    assert decision.verdict[:2] == (State.STALLED, Reason.DELETION_PROTECTED)
    assert (decision.deletions, decision.is_to_go) == ((), False)
    assert decide(going(spec=protected, is_namespace_going=True), IMAGE).is_to_go
