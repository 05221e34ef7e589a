"""Steps are carried out only while what they rest on still holds."""

from typing import Any

import pytest

from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, Key, Manifest
from quiver.ports.errors import Conflict, NotFound, WrongEngine
from quiver.reconcile.collections import preconditions
from quiver.reconcile.collections.act import Actor
from quiver.reconcile.collections.decision import (
    CreateCollection,
    CreatePartition,
    DropCollection,
    RecordClaim,
    Release,
    ReplaceClaim,
)
from support.builders import NAMESPACE, claim, claimed, collection, engine, external, pod
from support.fake_cluster import Cluster
from support.pod_cluster import HELD, ID, KEY, NAMED, OTHER_ID, PodCluster


async def test_a_pod_that_tells_no_instance_is_read_before_its_engine_is_changed() -> None:
    """Its address may be another pod's by now, whose engine could not tell that it is not meant.

    Once is enough for all steps.
    """
    cluster = PodCluster(claimed(HELD), instance=None)
    actor = await cluster.actor()
    await actor.do(CreateCollection((await cluster.gather()).schema))
    await actor.do(CreatePartition("a"))
    assert cluster.api.calls == ["get Pod engine-0", "get VectorCollection test01"]
    assert cluster.server.describe("test01") is not None


@pytest.mark.parametrize("instance", [ID, None])
@pytest.mark.parametrize("manifest", [collection(), claimed(claim(server="instance:gone"))])
async def test_a_new_claim_rests_on_a_pod_that_is_there_still(
    manifest: Manifest, instance: str | None
) -> None:
    """Whatever the server says that answered: what a claim is to remember is the pod's."""
    cluster = PodCluster(manifest, instance=instance)
    cluster.add(engine(uid="uid-of-the-new-engine"))
    actor, moved = await cluster.actor(), await cluster.actor()
    await actor.do(RecordClaim(HELD))
    assert cluster.api.calls == ["get Pod engine-0", "patch VectorCollection test01"]
    cluster.api.store(POD, pod(ip="10.0.0.8"))
    for step in (RecordClaim(HELD), ReplaceClaim(HELD), Release()):
        with pytest.raises(Conflict, match="another address"):
            await moved.do(step)


@pytest.mark.parametrize("ip", ["10.0.0.8", "10.0.0.70", None])
async def test_a_pod_that_is_elsewhere_by_now_is_not_called(ip: str | None) -> None:
    """Neither where it was nor where it is: the next look finds out."""
    cluster = PodCluster(instance=None)
    actor = await cluster.actor()
    cluster.api.store(POD, pod(ip=ip))
    with pytest.raises(Conflict, match="Pod team-a/engine-0 has another address"):
        await actor.do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 0


async def test_a_pod_that_is_gone_by_now_is_not_called() -> None:
    """Its address may be anybody's."""
    cluster = PodCluster(instance=None)
    actor = await cluster.actor()
    del cluster.api.objects[POD, Key(NAMESPACE, "engine-0")]
    with pytest.raises(Conflict):
        await actor.do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 0


async def test_a_pod_is_found_by_an_address_of_either_kind() -> None:
    """IPv6 addresses are dialled in brackets, and told without."""
    cluster = PodCluster(instance=None, ip="fd00::7")
    await (await cluster.actor()).do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 1


async def test_an_engine_that_tells_its_instance_refuses_what_is_meant_for_another() -> None:
    """No pod is read for it: the call itself says whom it is for."""
    cluster = PodCluster(claimed(HELD))
    actor = await cluster.actor()
    cluster.server.instance = OTHER_ID
    with pytest.raises(WrongEngine):
        await actor.do(DropCollection("test01"))
    assert cluster.api.calls == ["get VectorCollection test01"]


@pytest.mark.parametrize("manifest", [collection(), claimed(HELD)], ids=["new", "claimed"])
async def test_a_member_is_not_asked_again_for_each_step(manifest: Manifest) -> None:
    """What it said a moment ago holds."""
    cluster = PodCluster(manifest)
    await cluster.reconcile()
    assert cluster.server.collections.keys() == {"test01"}
    assert cluster.server.calls["instance"] == 1


@pytest.mark.parametrize("step", [RecordClaim(HELD), DropCollection("test01"), Release()])
async def test_a_member_that_was_asked_long_ago_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    """The process may have stood still meanwhile: what rests on the answer is not done if it is
    another by now.
    """
    monkeypatch.setattr(preconditions, "TRUSTED_S", -1)
    cluster = PodCluster(claimed(HELD))
    actor, late = await cluster.actor(), await cluster.actor()
    await actor.do(step)
    assert cluster.server.calls["instance"] == 3
    cluster.server.calls.clear()
    cluster.api.calls.clear()
    cluster.server.instance = OTHER_ID
    with pytest.raises(WrongEngine, match="engine-0 is another server than a moment ago"):
        await late.do(step)
    assert (cluster.server.calls["drop"], cluster.api.calls) == (0, [])


async def test_a_drop_does_not_rest_on_reads_from_before_a_suspension(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process stood still while it waited for an answer: there may be another collection of
    that name by now. The next reconcile looks again.
    """
    monkeypatch.setattr(preconditions, "RECENT_S", -1)
    cluster = PodCluster(claimed(HELD))
    actor = await cluster.actor()
    with pytest.raises(Conflict, match="no longer recent"):
        await actor.do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 0


async def test_a_pod_is_read_again_where_its_engine_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That it was there a while ago says nothing about now."""
    monkeypatch.setattr(preconditions, "TRUSTED_S", -1)
    cluster = PodCluster(claimed(HELD), instance=None)
    actor = await cluster.actor()
    await actor.do(DropCollection("test01"))
    cluster.api.store(POD, pod(ip="10.0.0.8"))
    with pytest.raises(Conflict):
        await actor.do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 1


async def test_an_external_server_has_no_pod_to_read() -> None:
    """It is dialled at the address that was found."""
    cluster = Cluster(external(NAMED), collection())
    cluster.names.addresses = {"milvus.example.org": ("10.0.0.9",)}
    server = cluster.engines.start("10.0.0.9:19530")
    actor = Actor(await cluster.gather(), cluster.tools)
    await actor.do(DropCollection("test01"))
    assert server.calls["drop"] == 1
    assert "get Pod" not in str(cluster.api.calls)


async def test_an_object_that_has_changed_since_has_nothing_done_for_it() -> None:
    """It may want something else by now, or nothing any more."""
    cluster = PodCluster()
    changed, gone = await cluster.actor(), await cluster.actor()
    cluster.api.store(VECTOR_COLLECTION, collection())
    with pytest.raises(Conflict, match="has changed since"):
        await changed.do(DropCollection("test01"))
    del cluster.api.objects[VECTOR_COLLECTION, KEY]
    with pytest.raises(NotFound):
        await gone.do(DropCollection("test01"))
    assert cluster.server.calls["drop"] == 0


async def test_nothing_is_claimed_on_an_engine_that_has_begun_to_go() -> None:
    """Its pods go once nobody claims anything on them."""
    cluster = PodCluster()
    actor = await cluster.actor()
    going = engine()
    going["metadata"]["deletionTimestamp"] = "2024-05-02T10:00:00Z"
    cluster.add(going)
    with pytest.raises(Conflict, match="is being deleted"):
        await actor.do(RecordClaim(HELD))
    assert "patch VectorCollection test01" not in cluster.api.calls
