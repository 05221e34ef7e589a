"""The CustomResourceDefinition is being deleted, and with it the objects of all namespaces."""

import pytest

from quiver.domain.kubernetes_types import COLLECTIONS_CRD, CRD, VECTOR_COLLECTION, Key, Manifest
from quiver.domain.rights import Rights
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, claim, claimed
from support.fake_cluster import Cluster
from support.fake_engine import FakeEngine
from support.gathered import DELETED, HELD, SCHEMA, SERVER, going
from support.gathering import pod_cluster, with_rights

KEY = Key(NAMESPACE, "test01")
READING = f"get CustomResourceDefinition {COLLECTIONS_CRD.name}"
FORBIDDEN = f'customresourcedefinitions "{COLLECTIONS_CRD.name}" is forbidden'
NAMESPACED = Rights(namespaces=(NAMESPACE,))
"""Rights without any that is of the whole cluster."""


def holding(manifest: Manifest) -> tuple[Cluster, FakeEngine]:
    """Return a cluster with the object, and its engine with the collection."""
    cluster, server = pod_cluster(manifest)
    server.create(SCHEMA)
    cluster.api.calls.clear()
    return cluster, server


def delete_crd(cluster: Cluster) -> None:
    cluster.api.store(
        CRD, {"metadata": {"name": COLLECTIONS_CRD.name, "deletionTimestamp": DELETED}}
    )


@pytest.mark.parametrize(
    "spec", [{}, {"deletionPolicy": "Delete"}, {"deletionPolicy": "DeleteIfEmpty"}]
)
async def test_objects_that_go_with_their_crd_leave_their_collections(
    spec: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever their deletionPolicy is. A Warning and the log say which collection is left and why:
    the object is gone.
    """
    cluster, server = holding(going(spec=spec))
    delete_crd(cluster)
    await cluster.reconciler.reconcile(KEY)
    assert cluster.cache.get(VECTOR_COLLECTION, KEY) is None
    assert server.describe("test01") is not None
    [left] = cluster.events
    assert (left.type, left.reason) == ("Warning", "Left")
    assert f"CustomResourceDefinition {COLLECTIONS_CRD.name} is being deleted" in left.note
    assert [record.getMessage() for record in caplog.records] == [left.note]


async def test_the_crd_is_read_anew_for_each_deletion() -> None:
    """What was read before the CRD was deleted must not count for an object that goes with it."""
    cluster, server = holding(going())
    await cluster.reconciler.reconcile(KEY)
    assert server.describe("test01") is None
    delete_crd(cluster)
    server.create(SCHEMA)
    held = claim(uid="uid-of-the-next", server=SERVER.identity)
    cluster.add(claimed(held, uid="uid-of-the-next", deletionTimestamp=DELETED))
    await cluster.reconciler.reconcile(KEY)
    assert server.describe("test01") is not None
    assert [event.reason for event in cluster.events] == ["Dropped", "Left"]


SAFE: dict[str, Manifest] = {
    "it stays": claimed(HELD),
    "nothing was claimed": going(held=False),
    "it is retained": going(spec={"deletionPolicy": "Retain"}),
    "it is suspended": going(spec={"suspend": True}),
}


@pytest.mark.parametrize("manifest", SAFE.values(), ids=SAFE)
async def test_the_crd_is_read_for_what_may_be_dropped_alone(manifest: Manifest) -> None:
    """Other objects cost no call, and go without the right to it."""
    cluster, server = holding(manifest)
    await cluster.reconciler.reconcile(KEY)
    assert READING not in cluster.api.calls
    assert server.describe("test01") is not None


async def test_without_the_right_to_read_the_crd_nothing_is_dropped() -> None:
    """The object waits, and says which right is missing."""
    cluster, server = holding(going())
    cluster.api.refusals[READING] = FORBIDDEN
    assert await cluster.reconciler.reconcile(KEY) is Result.RETRY
    assert server.describe("test01") is not None
    [said] = [c for c in cluster.get()["status"]["conditions"] if c["type"] == "Ready"]
    assert said["reason"] == "ApplyRefused"
    assert FORBIDDEN in said["message"]
    cluster.api.refusals.clear()
    await cluster.reconciler.reconcile(KEY)
    assert server.describe("test01") is None


async def test_an_operator_of_some_namespaces_drops_without_that_right() -> None:
    """It may have no right of the whole cluster, and nobody could delete a collection else."""
    cluster, server = holding(going())
    with_rights(cluster, NAMESPACED).api.refusals[READING] = FORBIDDEN
    await cluster.reconciler.reconcile(KEY)
    assert server.describe("test01") is None


async def test_an_operator_of_some_namespaces_uses_that_right_if_it_has_it() -> None:
    """Then its collections stay too."""
    cluster, server = holding(going())
    delete_crd(with_rights(cluster, NAMESPACED))
    await cluster.reconciler.reconcile(KEY)
    assert server.describe("test01") is not None
