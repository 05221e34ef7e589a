"""Whose a server is, where an endpoint leads to one that others use."""

import pytest

from quiver.domain.kubernetes_types import Key, Manifest
from support.builders import NAMESPACE, claim, claimed, collection, engine, external
from support.gathering import HELD, ID, OLD, SCHEMA, endpoint_cluster, pod_cluster
from support.namespaces import ready_condition

YOUNGER = {"creationTimestamp": "2024-12-01T00:00:00Z"}


async def test_an_endpoint_that_leads_to_a_managed_pod_is_not_asked_what_it_has() -> None:
    """In whatever way it leads there: its engine tells the same identity."""
    cluster, server = pod_cluster(collection("own"))
    await cluster.gather("own")
    cluster.add(
        external("proxy.example.org:19530", name="borrowed", **YOUNGER),
        collection(spec={"engineRef": {"name": "borrowed"}}),
    )
    cluster.names.addresses = {"proxy.example.org": ("10.0.0.99",)}
    proxy = cluster.engines.start("10.0.0.99:19530", instance=server.instance)
    found = await cluster.gather()
    assert found.is_borrowed
    assert proxy.calls == {"instance": 1}
    assert not (await cluster.gather("own")).is_borrowed


async def test_an_engine_that_is_created_again_has_what_is_in_its_volumes() -> None:
    """The pod of its name gets the volume of the one before, whose data directory says who it is:
    the collection is still its object's, and nothing is created.
    """
    cluster, server = pod_cluster(claimed(HELD, status={"origin": "Created"}))
    server.create(SCHEMA)
    cluster.add(engine(uid="uid-of-the-next"))
    await cluster.reconciler.reconcile(Key(NAMESPACE, "test01"))
    assert ready_condition(cluster.get())["reason"] == "Available"
    assert server.calls["create"] == 0


ADOPTING = collection(spec={"adoptionPolicy": "IfIdentical"})


@pytest.mark.parametrize(
    ("twin", "manifest", "is_elders"),
    [
        (external("10.0.0.9:19530", name="twin", namespace="team-b", **OLD), ADOPTING, True),
        (external("10.0.0.9:19530", name="twin", namespace="team-b", **YOUNGER), ADOPTING, False),
        (external("10.0.0.9:19530", name="twin", **OLD), ADOPTING, False),
        (external("10.0.0.8:19530", name="twin", namespace="team-b", **OLD), ADOPTING, False),
        (external("a.org:19530", name="twin", namespace="team-b", **OLD), ADOPTING, True),
        (external("10.0.0.9:19530", name="twin", namespace="team-b", **OLD), collection(), False),
    ],
    ids=["older", "younger", "our own", "elsewhere", "by another name", "nothing to adopt"],
)
async def test_who_was_at_a_server_first_is_found(
    twin: Manifest, manifest: Manifest, is_elders: bool
) -> None:
    """An older engine of another namespace, by whatever name it knows the server's address."""
    cluster, server = endpoint_cluster(twin, manifest)
    cluster.names.addresses["a.org"] = ("10.0.0.9",)
    server.create(SCHEMA)
    assert (await cluster.gather()).is_elders is is_elders


async def test_what_may_be_anothers_is_not_adopted_though_its_object_cannot_be_read() -> None:
    """A claim of the release before counts, and a spec that a looser CRD let in is in nobody's way
    but its own object's.
    """
    held = claim(uid="theirs", member="elsewhere.example.org:19530", engine="another")
    theirs = claimed(held, namespace="team-b", uid="theirs", spec={"dimension": 0})
    cluster, server = endpoint_cluster(ADOPTING, theirs)
    server.create(SCHEMA)
    assert (await cluster.gather()).is_elders


async def test_who_was_at_a_server_first_is_found_by_what_it_said() -> None:
    """Though it was reached at another address."""
    twin = external("10.0.0.8:19530", name="twin", namespace="team-b", **OLD)
    theirs = collection(spec={"engineRef": {"name": "twin"}}, namespace="team-b", uid="theirs")
    cluster, server = endpoint_cluster(twin, ADOPTING, theirs)
    cluster.engines.start("10.0.0.8:19530", instance=ID)
    server.instance = ID
    server.create(SCHEMA)
    await cluster.gather(namespace="team-b")
    cluster.reservations.release(Key("team-b", "test01"))
    assert (await cluster.gather()).is_elders
