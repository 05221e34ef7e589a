"""Objects that Quiver has let go, and that finalizers of others hold."""

import pytest

from quiver.domain.claims import claim_of
from quiver.domain.conditions import ready_message, ready_reason
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from quiver.reconcile.result import Result
from support.builders import collection
from support.gathered import DELETED, SCHEMA, going
from support.pod_cluster import PodCluster

THEIRS = "example.com/theirs"
STATUS, FINALIZERS = "patch VectorCollection test01 status", "patch VectorCollection test01"


def held_by_others(manifest: Manifest) -> PodCluster:
    """Return a cluster with the object, which others hold too, and its collection."""
    manifest["metadata"]["finalizers"].append(THEIRS)
    cluster = PodCluster(manifest)
    cluster.server.create(SCHEMA)
    return cluster


def writes(cluster: PodCluster) -> list[str]:
    return [call for call in cluster.api.calls if not call.startswith("get ")]


async def test_an_object_that_goes_at_once_is_written_once() -> None:
    """Nobody could read what its status says."""
    cluster = PodCluster(going())
    cluster.server.create(SCHEMA)
    await cluster.reconcile()
    assert writes(cluster) == [FINALIZERS]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "Dropped collection 'test01' and its vectors."),
        ({"deletionPolicy": "Retain"}, "Left collection 'test01' where it is:"),
    ],
)
async def test_an_object_that_others_hold_says_what_became_of_its_collection(
    spec: Manifest, said: str
) -> None:
    """Before the finalizer goes. Its claim counts no more, so the name and the room are free."""
    cluster = held_by_others(going(spec=spec))
    await cluster.reconcile()
    assert writes(cluster) == [STATUS, FINALIZERS]
    left = cluster.get()
    assert (ready_reason(left), left["metadata"]["finalizers"]) == ("Released", [THEIRS])
    assert ready_message(left).startswith(said)
    assert (claim_of(left), left["status"].get("placement")) == (None, None)


async def test_an_object_that_was_let_go_costs_no_calls() -> None:
    """Whenever it is looked at again, and when it goes in the end."""
    cluster = held_by_others(going())
    await cluster.reconcile()
    cluster.api.calls.clear()
    cluster.server.calls.clear()
    assert await cluster.reconcile() is Result.DONE
    cluster.remove(VECTOR_COLLECTION, "test01")
    assert await cluster.reconcile() is Result.DONE
    assert (cluster.api.calls, cluster.server.calls) == ([], {})


async def test_an_object_whose_finalizer_somebody_took_off_is_left_alone() -> None:
    """It says so once, and nothing is asked of the engine."""
    cluster = PodCluster(collection(deletionTimestamp=DELETED, finalizers=[THEIRS]))
    await cluster.reconcile()
    await cluster.reconcile()
    assert (cluster.api.calls, cluster.server.calls) == ([STATUS], {})
    assert ready_reason(cluster.get()) == "Released"
