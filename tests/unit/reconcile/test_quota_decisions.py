"""What is decided where a member, or a namespace's share, is full."""

from typing import Any

import msgspec
import pytest

from quiver.domain.claims import claim_of
from quiver.domain.collection_schemas import ObservedCollection
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.placement import Load
from quiver.domain.reasons import Reason
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    CreateCollection,
    CreatePartition,
    DropPartition,
    PublishEvent,
    ReplaceClaim,
)
from support.builders import NAMESPACE, claimed, collection, engine
from support.gathered import FOUND, HELD, SCHEMA, gathered, hosting, lapsed, steps

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


LONG = [f"{number:0255}" for number in range(1200)]
LONGER = [f"{number:0255}" for number in range(1200, 2400)]


def test_tags_that_outgrow_the_object_are_not_made() -> None:
    """Those that the spec lists and those that were retained count together, each once."""
    status = {"partitions": LONG}
    manifest = claimed(HELD, spec={"partitions": LONGER}, status=status)
    decision = decide(gathered(manifest, observed=FOUND))
    assert (decision.steps, decision.verdict.reason) == ((), Reason.QUOTA_EXCEEDED)
    assert "have 612000 bytes together" in decision.verdict.message
    alike = claimed(HELD, spec={"partitions": LONG}, status=status)
    observed = ObservedCollection(schema=SCHEMA, partitions=frozenset(LONG))
    assert decide(gathered(alike, observed=observed)).verdict.reason == Reason.AVAILABLE


TWO_PODS = msgspec.convert(engine(spec={"replicas": 2}), VectorEngine)
GOING = Load({"engine-0": 4096}, {}, {"engine-0": 3})


@pytest.mark.parametrize(
    ("manifest", "facts", "state", "words"),
    [
        (collection(), {"load": FULL}, State.STALLED, "Add replicas, or delete some"),
        (collection(), {"load": GOING}, State.RECONCILING, "are being deleted"),
        (
            collection(spec={"partitions": ["a", "b", "c"]}),
            {"load": GOING},
            State.STALLED,
            "no room for the 4 that",
        ),
        (collection(), {"load": FULL, "engine": TWO_PODS}, State.RECONCILING, "engine-1 may have"),
        (
            collection(),
            {"load": Load({"engine-0": 4096, "engine-1": 4096}), "engine": TWO_PODS},
            State.STALLED,
            "Add replicas",
        ),
    ],
    ids=[
        "full",
        "something is being deleted",
        "what is being deleted is too little",
        "a pod is away",
        "the pod that is away is full too",
    ],
)
def test_a_full_engine_is_stalled_only_if_no_room_comes_by_itself(
    manifest: Manifest, facts: dict[str, Any], state: State, words: str
) -> None:
    """Waiting helps while a member is away that has room, or while others are being deleted."""
    decision = decide(gathered(manifest, member=None, **facts))
    assert decision.verdict[:2] == (state, Reason.QUOTA_EXCEEDED)
    assert words in decision.verdict.message


@pytest.mark.parametrize(("going", "state"), [(1, State.RECONCILING), (0, State.STALLED)])
def test_a_share_that_is_used_up_is_stalled_only_if_nothing_of_it_is_being_deleted(
    going: int, state: State
) -> None:
    """What is being deleted gives its part of the share back."""
    load = Load({}, {NAMESPACE: 10}, {}, {NAMESPACE: going})
    decision = decide(gathered(engine=SHARED, load=load))
    assert decision.verdict[:2] == (state, Reason.QUOTA_EXCEEDED)


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
