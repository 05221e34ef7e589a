"""What objects leave on an engine that somebody has taken away past their finalizers."""

import asyncio
from unittest.mock import patch

import pytest

from quiver.domain.claims import claim_of, retained_as
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.reconcile.collections.act import Actor
from quiver.reconcile.collections.decision import CreateCollection
from support.builders import NAMESPACE, claim, claimed, collection, engine, intended, pod
from support.fake_cluster import Cluster
from support.fake_engine import FakeClient
from support.gathering import AT, HELD, ID, SCHEMA

GUESTS = "team-g"
HOST = {"engineRef": {"name": "engine", "namespace": NAMESPACE}}


def guest(manifest: Manifest) -> Manifest:
    metadata = {**manifest["metadata"], "namespace": GUESTS}
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], **HOST}}


def cluster_of(manifest: Manifest, *, is_there: bool = True) -> Cluster:
    """Return a cluster with an engine for all, on which the collection may be there."""
    cluster = Cluster(engine(spec={"allowedNamespaces": {"from": "All"}}), pod(), manifest)
    server = cluster.engines.start(AT, instance=ID)
    if is_there:
        server.create(SCHEMA)
    return cluster


async def left_by(manifest: Manifest, cluster: Cluster) -> dict[str, str]:
    """Take the object away; return what the engine's status says of what it has left."""
    key = Key.of(manifest)
    cluster.cache.remove(VECTOR_COLLECTION, key, manifest["metadata"]["uid"])
    await cluster.reconciler.reconcile(key)
    assert cluster.cache.abandoned(key) == ()
    found: dict[str, str] = cluster.get("engine", VECTOR_ENGINE)["status"].get("retained", {})
    return found


@pytest.mark.parametrize(
    ("manifest", "size"),
    [
        (claimed(HELD, status={"partitions": ["a"], "retainedPartitions": ["b"]}), 3),
        (intended(HELD, reserved=4), 5),
    ],
    ids=["at rest", "being created"],
)
async def test_what_a_guest_takes_away_is_recorded_as_its_namespaces(
    manifest: Manifest, size: int
) -> None:
    """With all partitions that may be there."""
    manifest = guest(manifest)
    left = await left_by(manifest, cluster_of(manifest))
    assert left == {retained_as(HELD): f"{GUESTS}/{size}"}


async def test_too_many_finalizers_hide_nothing() -> None:
    """An object with so many is not valid, and goes with all of them at once."""
    manifest = guest(claimed(HELD))
    manifest["metadata"]["finalizers"] = [f"a/{number}" for number in range(40)]
    left = await left_by(manifest, cluster_of(manifest))
    assert left == {retained_as(HELD): f"{GUESTS}/1"}


async def test_nothing_is_recorded_of_a_collection_that_is_gone() -> None:
    """The operator has dropped it, and the answer to its release was lost."""
    manifest = guest(claimed(HELD))
    assert await left_by(manifest, cluster_of(manifest, is_there=False)) == {}


async def test_a_server_that_does_not_answer_is_taken_to_have_the_collection() -> None:
    """Else a tenant would take its objects away while the server is busy."""
    manifest = guest(claimed(HELD))
    cluster = cluster_of(manifest)
    cluster.engines.start(AT, instance=ID).up = False
    assert await left_by(manifest, cluster) == {retained_as(HELD): f"{GUESTS}/1"}


async def test_what_another_object_has_claimed_meanwhile_is_not_recorded() -> None:
    """It counts as that object's."""
    manifest = guest(claimed(HELD))
    cluster = cluster_of(manifest)
    cluster.add(claimed(claim("test02", collection_name="test01", server=HELD.server), "test02"))
    assert await left_by(manifest, cluster) == {}


async def test_the_engines_own_namespace_has_no_share_to_count_towards() -> None:
    """What is taken away there is nobody's, as any collection that Quiver has not created."""
    manifest = claimed(HELD)
    assert await left_by(manifest, cluster_of(manifest)) == {}


async def test_the_claim_of_an_object_that_was_made_anew_is_abandoned() -> None:
    """The new object gets no claim of the one before, whose collection counts on."""
    cluster = cluster_of(intended(HELD), is_there=False)
    gathered = await cluster.gather()
    actor = Actor(gathered, cluster.tools)
    await actor.do(CreateCollection(gathered.schema))
    cluster.api.store(VECTOR_COLLECTION, collection(uid="another"))
    await actor.keep_claim(HELD)
    assert cluster.get()["status"] == {}
    (abandoned,) = cluster.cache.abandoned(Key(NAMESPACE, "test01"))
    assert abandoned["metadata"]["uid"] == HELD.object_uid


async def test_a_claim_is_kept_with_the_partitions_that_were_created() -> None:
    """They count from then on as the status says."""
    cluster = cluster_of(intended(HELD, spec={"partitions": ["a", "b"]}), is_there=False)
    actor = Actor(await cluster.gather(), cluster.tools)
    actor.made.append("a")
    cluster.api.store(VECTOR_COLLECTION, collection(spec={"partitions": ["a", "b"]}))
    await actor.keep_claim(HELD)
    status = cluster.get()["status"]
    assert (status["claim"]["server"], status["partitions"]) == (HELD.server, ["a"])


async def test_no_claim_is_kept_that_nothing_rests_on() -> None:
    """The operator may have found the name taken before it wrote the claim."""
    cluster = cluster_of(collection(), is_there=False)
    actor = Actor(await cluster.gather(), cluster.tools)
    await actor.keep_claim(HELD)
    assert cluster.get()["status"] == {}


async def test_a_claim_is_kept_by_a_reconcile_that_is_cancelled() -> None:
    """It took too long, or the operator ends, and the annotation may be wiped before the next."""
    cluster = cluster_of(collection(), is_there=False)
    created = asyncio.Event()

    async def create(_schema: object) -> None:
        created.set()
        await asyncio.Event().wait()

    with patch.object(FakeClient, "create", lambda _client, schema, _properties: create(schema)):
        reconcile = asyncio.create_task(cluster.reconciler.reconcile(Key(NAMESPACE, "test01")))
        await created.wait()
        reconcile.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reconcile
    assert claim_of(cluster.get()) == HELD
