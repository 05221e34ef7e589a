"""Which pods may be replaced for a new template, and what an engine says meanwhile."""

import copy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from quiver.domain.conditions import State
from quiver.domain.engines import EngineSpec, Pod, VectorEngine
from quiver.domain.kubernetes_types import STATEFUL_SET, Manifest
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.decide import Decision, decide
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.revisions import (
    FIELDS_ANNOTATION,
    HELD,
    REVISION_LABEL,
    TEMPLATE_ANNOTATION,
    fields_digest,
    rollout_in,
)
from quiver.reconcile.engines.workload import service_for, stateful_set_for
from support.builders import INSTALLATION, engine, pod

OLD, NEW = "registry.example/engine:1", "registry.example/engine:2"
STORED: Manifest = {"storage": {"size": "1Gi"}}
AUTOMATIC = {**STORED, "upgradePolicy": "Automatic"}
A, B = ("a", True), ("b", True)
"""Ready pods of the revision that all had, and of the one that they are to have."""
A_BROKEN, B_BROKEN = ("a", False), ("b", False)
Pods = tuple[tuple[str, bool], ...]


def gathered(
    *pods: tuple[str, bool], spec: Manifest = STORED, annotations: Manifest | None = None
) -> Gathered:
    """Return an engine with these pods, highest ordinal first, whose workload is of the image OLD
    and was applied when they were all of revision `a`.
    """
    status = {"image": OLD}
    wanted = {**spec, "replicas": len(pods)}
    manifest = engine(spec=wanted, status=status, annotations=annotations or {})
    parsed = msgspec.convert(manifest, VectorEngine)
    live = copy.deepcopy(stateful_set_for(parsed, image=OLD, replicas=len(pods)))
    made = []
    for ordinal, (revision, ready) in enumerate(reversed(pods)):
        found = pod(f"engine-{ordinal}", ready=ready)
        found["metadata"]["labels"][REVISION_LABEL] = revision
        if not ready:
            waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
            found["status"]["containerStatuses"] = [{"name": "engine", "state": waiting}]
        made.append(msgspec.convert(found, Pod))
    return Gathered(
        engine=parsed,
        operator_pods=INSTALLATION.operator_pods,
        service=service_for(parsed),
        stateful_set=seen(live, "a"),
        pods=tuple(made),
    )


def seen(live: Manifest, update: str, current: str = "a") -> Manifest:
    """Return the StatefulSet once its controller has seen it."""
    status = {"observedGeneration": 1, "currentRevision": current, "updateRevision": update}
    return {**live, "metadata": {**live["metadata"], "generation": 1}, "status": status}


def applied(found: Gathered, image: str) -> Manifest:
    """Return the StatefulSet that is applied for an operator with this default image."""
    (manifest,) = (m for kind, m in decide(found, image).manifests if kind == STATEFUL_SET)
    return manifest


def partition_of(manifest: Manifest) -> int:
    found = rollout_in(manifest)
    assert found is not None
    return found.partition


def upgraded(*pods: tuple[str, bool], update: str = "b", **facts: Any) -> Gathered:
    """Return the engine after the operator with the image NEW has applied its StatefulSet."""
    found = gathered(*pods, **facts)
    return replace(found, stateful_set=seen(applied(found, NEW), update))


def begun(*pods: tuple[str, bool], partition: int, **facts: Any) -> Gathered:
    """Return the engine where that upgrade was begun, and came as far as `partition`."""
    found = upgraded(*pods, **facts)
    assert found.stateful_set is not None
    found.stateful_set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = partition
    return found


def partition_next(found: Gathered, image: str = NEW) -> int:
    """Return the partition that is applied, or that stays."""
    for kind, manifest in decide(found, image).manifests:
        if kind == STATEFUL_SET:
            return partition_of(manifest)
    assert found.stateful_set is not None
    return partition_of(found.stateful_set)


def outdated(decision: Decision) -> tuple[Reason | None, str]:
    found = decision.outdated
    return (None, "") if found is None else (found.reason, found.message)


def test_pods_are_held_back_from_the_first_on() -> None:
    """Nothing but Quiver has any of them replaced, such as an admission policy or an edit of the
    StatefulSet, which is put back.
    """
    new = replace(gathered(A), stateful_set=None, pods=())
    assert partition_of(applied(new, NEW)) == HELD
    edited = gathered(A)
    assert edited.stateful_set is not None
    edited.stateful_set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0
    assert partition_of(applied(edited, OLD)) == HELD


@pytest.mark.parametrize("earlier", [False, True], ids=["this version", "the one before"])
def test_an_upgrade_comes_with_the_partition_that_holds_its_pods_back(earlier: bool) -> None:
    """In the same write, also where an earlier version of Quiver made the StatefulSet. Then nothing
    more is written, the engine is as ready as before, and its status tells the image of the pods.
    """
    found = gathered(A, A)
    if earlier:
        assert found.stateful_set is not None
        for name in (TEMPLATE_ANNOTATION, FIELDS_ANNOTATION):
            del found.stateful_set["metadata"]["annotations"][name]
        del found.stateful_set["spec"]["updateStrategy"]
    manifest = applied(found, NEW)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    assert partition_of(manifest) == HELD
    decision = decide(replace(found, stateful_set=seen(manifest, "b")), NEW)
    assert decision.manifests == ()
    assert decision.verdict[:2] == (State.READY, Reason.AVAILABLE)
    assert decision.verdict.message.startswith("2 of 2 pods ready. An upgrade of its pods waits")
    assert decision.is_held
    reason, message = outdated(decision)
    assert reason is Reason.UPGRADE_WAITING
    assert f"image is {OLD!r}, and the new one {NEW!r}. No pod is replaced until you" in message


def test_what_makes_no_new_revision_is_no_upgrade() -> None:
    """What the API server or an admission policy makes the same of replaces no pod: nothing waits,
    and a later look changes nothing.
    """
    decision = decide(upgraded(A, A, update="a"), NEW)
    assert decision.outdated is None
    assert decision.manifests == ()
    assert not decision.is_held


def test_the_command_of_the_condition_begins_the_upgrade() -> None:
    """With the last pod. The id of another upgrade begins none."""
    _, message = outdated(decide(upgraded(A, A), NEW))
    (command,) = message.split("`")[1::2]
    assert command == "kubectl annotate --overwrite -n team-a veng/engine quiver.dev/upgrade=b"
    given = {"quiver.dev/upgrade": "b"}
    assert partition_next(upgraded(A, A, annotations=given)) == 1
    assert partition_next(upgraded(A, A, annotations={"quiver.dev/upgrade": "other"})) == HELD


STEPS: list[tuple[str, Pods, int, int]] = [
    ("the last one first", (A, A, A), 2, 2),
    ("one that does not start stops all", (B_BROKEN, A, A), 2, 2),
    ("the next once it is ready", (B, A, A), 2, 1),
    ("never back", (B_BROKEN, B, A), 0, 0),
    ("to the end", (B, B, A), 1, 0),
    ("what is broken already comes first", (A, A_BROKEN, A), 2, 1),
    ("but not after a new one that is broken", (B_BROKEN, A_BROKEN, A), 2, 2),
]


@pytest.mark.parametrize(
    ("pods", "present", "expected"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS]
)
def test_pods_are_replaced_one_by_one(pods: Pods, present: int, expected: int) -> None:
    """From the last on, each once the one after it is ready."""
    assert partition_next(begun(*pods, partition=present)) == expected


def test_pods_are_held_back_again_once_all_are_replaced() -> None:
    """The engine stays ready through that last write."""
    done = begun(B, B, partition=0)
    assert done.stateful_set is not None
    done = replace(done, stateful_set=seen(done.stateful_set, "b", "b"))
    manifest = applied(done, NEW)
    assert partition_of(manifest) == HELD
    unseen = {**seen(manifest, "b", "b"), "status": {"observedGeneration": 0}}
    decision = decide(replace(done, stateful_set=unseen), NEW)
    assert (decision.verdict.state, decision.outdated) == (State.READY, None)


def test_the_next_pod_waits_for_the_collections_of_the_last() -> None:
    """The engine says so, and looks again by itself: collections do not wake it."""
    waiting = replace(begun(B, A, partition=1), waited_for=frozenset({1}))
    assert partition_next(waiting) == 1
    decision = decide(waiting, NEW)
    assert decision.retry
    assert "The next pod follows once the collections on engine-1" in decision.verdict.message


def test_a_pod_that_does_not_start_is_told_with_the_way_out() -> None:
    """How many pods have the new template, why no more get it, and how to go on or back."""
    reason, message = outdated(decide(begun(B_BROKEN, A, A, partition=2), NEW))
    assert reason is Reason.ROLLOUT_STOPPED
    assert message.startswith("1 of 3 pods have the new template. The others stay as they are")
    assert "engine-2 does not start: ErrImagePull: no such image. The rollout goes on" in message
    assert "roll Quiver back" in message


@pytest.mark.parametrize("upgrade_waits", [False, True])
def test_a_change_of_the_spec_replaces_the_pods_at_once(upgrade_waits: bool) -> None:
    """It brings an upgrade that waits along, and mends what one has broken."""
    found = upgraded(A, A) if upgrade_waits else gathered(A, A)
    change = {**STORED, "replicas": 2, "nodeSelector": {"zone": "a"}}
    changed = msgspec.convert(engine(spec=change), VectorEngine)
    manifest = applied(replace(found, engine=changed), NEW if upgrade_waits else OLD)
    assert partition_of(manifest) == 1


@pytest.mark.parametrize("change", [{"replicas": 3}, {"limits": {"maxPerNamespace": 1}}, {}])
def test_no_other_change_of_the_spec_begins_an_upgrade(change: Manifest) -> None:
    """New pods are of the old revision too, since none has an ordinal beyond the partition."""
    found = upgraded(A, A)
    changed = msgspec.convert(
        engine(spec={**STORED, "replicas": 2, **change}, status={"image": OLD}), VectorEngine
    )
    assert partition_next(replace(found, engine=changed)) == HELD


@pytest.mark.parametrize(
    ("pods", "partition", "reason"),
    [
        ((B_BROKEN, A), 1, None),
        ((B, A), HELD, Reason.UPGRADE_WAITING),
        ((A, A), HELD, None),
    ],
)
def test_an_operator_that_is_rolled_back_mends_what_does_not_start(
    pods: Pods, partition: int, reason: Reason | None
) -> None:
    """A pod that works with the newer template is left until somebody says so."""
    found = begun(*pods, partition=1)
    back = replace(found, stateful_set=seen(applied(found, OLD), "a"))
    assert partition_next(back, OLD) == partition
    assert outdated(decide(back, OLD))[0] is reason


TURNS: list[tuple[str, Pods, Manifest, bool]] = [
    ("all ready", (A, A), AUTOMATIC, True),
    ("Manual", (A, A), STORED, False),
    ("without storage", (A, A), {"upgradePolicy": "Automatic"}, False),
    ("not ready", (A, A_BROKEN), AUTOMATIC, False),
    ("broken by an upgrade before", (("c", False), A), AUTOMATIC, True),
]


@pytest.mark.parametrize(
    ("pods", "spec", "wanted"), [t[1:] for t in TURNS], ids=[t[0] for t in TURNS]
)
def test_who_begins_an_upgrade_without_a_command(pods: Pods, spec: Manifest, wanted: bool) -> None:
    """Engines that say so, keep their vectors and have nothing in the way, as it is their turn."""
    found = gathered(*pods, spec=spec)
    image = OLD if found.engine.spec.is_ephemeral else NEW
    live = stateful_set_for(found.engine, image=image, replicas=len(pods))
    found = replace(found, stateful_set=seen(live, "b"))
    assert decide(found, NEW).wants_turn == wanted
    if wanted:
        assert partition_next(replace(found, may_upgrade=True)) == len(pods) - 1


def test_the_same_spec_counts_as_unchanged_in_every_version() -> None:
    """Where this fails, the next version of Quiver replaces all pods of these engines: leave what
    the digest of a spec is made of as it is, and give new fields a default that is left out.
    """
    spec = {
        "image": "a",
        "gpu": {"count": 2},
        "resources": {"limits": {"cpu": 1}},
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"operator": "Exists"}],
        "tls": {"secretName": "t", "clientSecretName": "for the operator alone"},
        "limits": {"maxCollectionsAndPartitions": 8192, "maxPerNamespace": 1},
    }
    fewer = {"replicas": 3, "limits": {"maxCollectionsAndPartitions": 7}}
    known = [fields_digest(msgspec.convert(each, EngineSpec)) for each in ({}, fewer, spec)]
    assert known == ["44136fa355b3678a", "44136fa355b3678a", "269045404b478714"]


def test_of_what_only_milvus_has_the_size_of_segments_counts() -> None:
    """Pods are started with it; whether Quiver makes databases is nothing to them."""
    specs = ({}, {"createDatabases": True}, {"segmentMaxSize": 256}, {"segmentMaxSize": 512})
    none, databases, small, large = (
        fields_digest(msgspec.convert({"type": "Milvus", "image": "a", "milvus": each}, EngineSpec))
        for each in specs
    )
    assert none == databases
    assert len({none, small, large}) == 3
