"""One order of reasons: of all that is in an object's way, it says the same first, at each look."""

from itertools import combinations
from typing import Any

import msgspec
import pytest

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.placement import Load
from quiver.domain.reasons import Reason
from quiver.ports.errors import EngineUnreachable
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.reservations import Wish
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, claim, collection, engine
from support.fake_cluster import Cluster
from support.gathered import OTHER, endpoint, gathered
from support.gathering import AT, AT_1, GUEST, ID, OTHER_ID, SCHEMA, TWO_PODS, pod_cluster

FULL = Load({"engine-0": 4096}, {})
GPUS = msgspec.convert(engine(spec={"gpu": {"count": 1}}), VectorEngine)
CAGRA = {"type": "GPU_CAGRA", "params": {}}
IN_DATABASE = {"milvus": {"database": "db"}}
MILVUS, OLD_MILVUS = (
    msgspec.convert(
        engine(spec={"type": "Milvus", "image": "milvus:1"}, status={"version": version}),
        VectorEngine,
    )
    for version in ("v2.6.4", "v2.2.3")
)

ORDER: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.SUSPENDED, {"spec": {"suspend": True}}),
    (Reason.ENGINE_NOT_FOUND, {"engine": None}),
    (Reason.NAMESPACE_NOT_ALLOWED, {"allowed": False}),
    (Reason.NAME_TAKEN, {"holder": "team-a/older"}),
    (Reason.ENDPOINT_REFUSED, {"is_borrowed": True, "member": endpoint()}),
    (Reason.INVALID_SPEC, {"spec": {"metricType": "COSINE", "index": CAGRA}}),
    (Reason.VERSION_TOO_OLD, {"engine": OLD_MILVUS, "spec": IN_DATABASE}),
    (Reason.ENGINE_NOT_READY, {"members": (), "member": None}),
    (Reason.QUOTA_EXCEEDED, {"load": FULL, "member": None}),
    (Reason.SEGMENT_TOO_LARGE, {"gpu_mib": 1}),
    (Reason.ENGINE_UNREACHABLE, {"failure": EngineUnreachable("no answer")}),
    (Reason.DATABASE_NOT_FOUND, {"engine": MILVUS, "spec": IN_DATABASE, "has_database": False}),
    (Reason.ALREADY_EXISTS, {"observed": OTHER}),
]
"""What an object without a claim may say, and what makes it say so; the first that applies."""
NEVER_BOTH = (Reason.SEGMENT_TOO_LARGE, Reason.DATABASE_NOT_FOUND)
"""Milvus has databases, and no segment size of a collection."""
PAIRS = [(a, b) for a, b in combinations(ORDER, 2) if (a[0], b[0]) != NEVER_BOTH]


def found(*each: dict[str, Any]) -> Any:
    """Return what was gathered where all of these are so; of two that differ, the first counts."""
    facts: dict[str, Any] = {}
    for more in each:
        facts = {**more, **facts}
    return gathered(collection(spec=facts.pop("spec", {})), **facts)


@pytest.mark.parametrize(("reason", "facts"), ORDER, ids=lambda value: str(value)[:20])
def test_each_reason_is_said_where_nothing_else_is_in_the_way(
    reason: Reason, facts: dict[str, Any]
) -> None:
    """Else the pairs below would say nothing."""
    assert decide(found(facts)).verdict.reason is reason


@pytest.mark.parametrize(
    ("first", "second"),
    PAIRS,
    ids=[f"{one[0]} before {other[0]}" for one, other in PAIRS],
)
def test_of_two_reasons_the_one_that_comes_first_in_the_order_is_said(
    first: tuple[Reason, dict[str, Any]], second: tuple[Reason, dict[str, Any]]
) -> None:
    """A status that said now one and now the other would never come to rest."""
    assert decide(found(first[1], second[1])).verdict.reason is first[0]


ENGINE, OWN, OTHERS = (Key(NAMESPACE, name) for name in ("engine", "test01", "test02"))


def crowded(*manifests: Manifest) -> Cluster:
    """Return a cluster whose engine has room for one, which another reconcile has reserved while it
    looks, and which has a collection of the name that the object wants.
    """
    limits = {"limits": {"maxCollectionsAndPartitions": 1}}
    cluster, server = pod_cluster(*manifests)
    cluster.add(engine(spec=limits, resourceVersion="9"))
    server.create(SCHEMA)
    cluster.reservations.reserve(OTHERS, Wish(ENGINE, "engine-0", frozenset(), 1))
    return cluster


def said(cluster: Cluster) -> str | None:
    conditions = cluster.get()["status"].get("conditions", [{}])
    reason: str | None = conditions[0].get("reason")
    return reason


async def test_room_that_another_reconcile_has_reserved_changes_no_status() -> None:
    """It may give the room back in a moment: what the object says stays until that is known."""
    cluster = crowded(collection(spec=GUEST))
    cluster.reservations.release(OTHERS)
    assert await cluster.reconciler.reconcile(OWN) is Result.DONE
    cluster.reservations.reserve(OTHERS, Wish(ENGINE, "engine-0", frozenset(), 1))
    assert await cluster.reconciler.reconcile(OWN) is Result.RETRY
    assert said(cluster) == Reason.ALREADY_EXISTS


async def test_room_that_another_reconcile_has_reserved_is_waited_for() -> None:
    """An object that has said nothing yet says that there is no room, and is looked at again."""
    cluster = crowded(collection(spec=GUEST))
    assert await cluster.reconciler.reconcile(OWN) is Result.RETRY
    assert said(cluster) == Reason.QUOTA_EXCEEDED
    cluster.reservations.release(OTHERS)
    assert await cluster.reconciler.reconcile(OWN) is Result.DONE
    assert said(cluster) == Reason.ALREADY_EXISTS


async def test_partitions_wait_for_room_that_another_reconcile_has_reserved() -> None:
    """The collection stays Ready meanwhile, if it was."""
    held = claim(server=found().server.identity)
    cluster = crowded()
    cluster.add(engine(spec={"limits": {"maxCollectionsAndPartitions": 2}}))
    status = {"claim": msgspec.to_builtins(held), "observedGeneration": 1}
    wanted = collection(
        spec={"partitions": ["a"]}, status=status, finalizers=["quiver.dev/collection"]
    )
    cluster.add(wanted)
    assert await cluster.reconciler.reconcile(OWN) is Result.RETRY
    assert said(cluster) is None
    cluster.reservations.release(OTHERS)
    assert await cluster.reconciler.reconcile(OWN) is Result.DONE
    assert said(cluster) == Reason.AVAILABLE


async def test_a_collection_that_exists_is_not_made_elsewhere_by_chance() -> None:
    """The least loaded member has one of that name. The other seems to be the better one while
    another reconcile has reserved room: which of the two it is must not depend on that.
    """
    cluster = Cluster(*TWO_PODS, collection())
    first = cluster.engines.start(AT, instance=ID)
    second = cluster.engines.start(AT_1, instance=OTHER_ID)
    first.create(SCHEMA)
    assert await cluster.reconciler.reconcile(OWN) is Result.DONE
    assert said(cluster) == Reason.ALREADY_EXISTS
    cluster.reservations.reserve(OTHERS, Wish(ENGINE, "engine-0", frozenset(), 1))
    assert await cluster.reconciler.reconcile(OWN) is Result.RETRY
    assert (said(cluster), second.collections) == (Reason.ALREADY_EXISTS, {})


async def test_a_new_collection_goes_where_no_other_reconcile_has_reserved_room() -> None:
    """So collections that are created at once are spread over the members."""
    cluster = Cluster(*TWO_PODS, collection())
    first = cluster.engines.start(AT, instance=ID)
    second = cluster.engines.start(AT_1, instance=OTHER_ID)
    cluster.reservations.reserve(OTHERS, Wish(ENGINE, "engine-0", frozenset(), 1))
    assert await cluster.reconciler.reconcile(OWN) is Result.DONE
    assert (first.collections, list(second.collections)) == ({}, ["test01"])
