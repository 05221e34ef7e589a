"""Who has a name, and what is reserved while several reconciles look for a place."""

import asyncio
from typing import Any

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest
from quiver.domain.placement import NO_LOAD, Load
from quiver.ports.errors import Conflict, EngineUnreachable
from quiver.reconcile.collections.gathered import Gathered
from support.builders import NAMESPACE, claim, claimed, collection, engine, external, pod
from support.fake_cluster import Cluster
from support.gathering import (
    AT,
    AT_1,
    DELETED,
    ENGINE,
    GUEST,
    HELD,
    ID,
    NAMED,
    NEW,
    OLD,
    OTHER_ID,
    OTHER_SERVER,
    SERVER,
    TWO_PODS,
    endpoint_cluster,
    pod_cluster,
    set_aside,
)


def twins(**first: Any) -> tuple[Manifest, Manifest]:
    """Return two objects that claim one collection."""
    a, b = (claim(n, collection_name="docs", server=SERVER.identity) for n in ("a", "b"))
    spec = {"collectionName": "docs"}
    return claimed(a, "a", spec=spec, **OLD | first), claimed(b, "b", spec=spec, **NEW)


async def test_the_older_of_two_claimants_has_the_collection() -> None:
    """The younger is told whose it is, alive or deleted; the elder is in nobody's hands."""
    cluster, _ = pod_cluster(*twins())
    assert (await cluster.gather("a")).holder is None
    assert (await cluster.gather("b")).holder == f"{NAMESPACE}/a"
    cluster.add(twins(**DELETED)[0])
    assert (await cluster.gather("a")).holder is None


async def test_of_two_claims_of_the_release_before_neither_counts() -> None:
    """That one believed what anybody wrote, so that age proves nothing: nobody drops what may be
    the other's, until one of the two objects is gone.
    """
    a, b = (
        claimed(claim(n, collection_name="docs"), n, spec={"collectionName": "docs"}, **age)
        for n, age in (("a", OLD), ("b", NEW))
    )
    cluster, _ = pod_cluster(a, b)
    assert (await cluster.gather("a")).holder == f"{NAMESPACE}/b"
    assert (await cluster.gather("b")).holder == f"{NAMESPACE}/a"
    cluster.remove(VECTOR_COLLECTION, "b")
    assert (await cluster.gather("a")).holder is None


async def test_a_claim_goes_before_age() -> None:
    """An older object that only wants the name waits for who has it."""
    wish = collection("wish", spec={"collectionName": "docs"}, **OLD)
    cluster, _ = pod_cluster(wish, claimed(claim("b", collection_name="docs"), "b", **NEW))
    assert (await cluster.gather("wish")).holder == f"{NAMESPACE}/b"
    assert (await cluster.gather("b")).holder is None


async def test_a_claim_goes_before_the_oldest_wish() -> None:
    """Who is told whose the name is, is told who has it."""
    spec = {"collectionName": "docs"}
    cluster, _ = pod_cluster(
        collection("wish", spec=spec, **OLD),
        claimed(claim("b", collection_name="docs"), "b", **NEW),
        collection("youngest", spec=spec),
    )
    assert (await cluster.gather("youngest")).holder == f"{NAMESPACE}/b"


async def test_of_those_that_wish_the_oldest_is_first() -> None:
    """As long as nobody has claimed the name."""
    spec = {"collectionName": "docs"}
    cluster, _ = pod_cluster(collection("a", spec=spec, **OLD), collection("b", spec=spec, **NEW))
    assert (await cluster.gather("b")).holder == f"{NAMESPACE}/a"
    assert (await cluster.gather("a")).holder is None


async def test_a_wish_that_goes_is_in_nobodys_way() -> None:
    """An object that is being deleted without a claim gets no collection any more."""
    held = {"deletionTimestamp": DELETED, "finalizers": ["example.com/theirs"]}
    going = collection("a", spec={"collectionName": "test01"}, **OLD, **held)
    cluster, _ = pod_cluster(going, collection(**NEW))
    assert (await cluster.gather()).holder is None


async def test_a_wish_that_is_not_welcome_is_in_nobodys_way() -> None:
    """However old it is: the engine does not take it."""
    spec = {"engineRef": {"name": "engine", "namespace": NAMESPACE}}
    uninvited = collection(spec=spec, namespace="team-b", uid="uid-of-the-uninvited", **OLD)
    cluster, _ = pod_cluster(uninvited, collection(**NEW))
    assert (await cluster.gather()).holder is None
    refused = await cluster.gather(namespace="team-b")
    assert (refused.allowed, refused.member, refused.server) == (False, None, None)


async def test_what_another_engine_object_claims_on_the_server_is_taken() -> None:
    """One server may be an endpoint of two engines, under two names."""
    held = claim(
        "a",
        engine="twin",
        member="10.0.0.9:19530",
        collection_name="test01",
        server="address:10.0.0.9:19530",
    )
    twin = claimed(held, "a", spec={"engineRef": {"name": "twin"}, "collectionName": "test01"})
    cluster, _ = endpoint_cluster(twin, collection())
    assert (await cluster.gather()).holder == f"{NAMESPACE}/a"


async def test_nothing_is_set_aside_before_the_server_is_known() -> None:
    """A member that does not say who it is gets nothing, and its silence costs nobody room."""
    cluster, server = pod_cluster(collection())
    server.up = False
    found = await cluster.gather()
    assert isinstance(found.observation.failure, EngineUnreachable)
    assert (found.server, set_aside(cluster)) == (None, NO_LOAD)


async def test_a_place_is_set_aside_with_its_partitions() -> None:
    """Until the reconcile has come to its end, others see it as taken."""
    cluster, _ = pod_cluster(collection(spec={"partitions": ["a", "b"]}))
    await cluster.gather()
    assert set_aside(cluster) == Load({"engine-0": 3}, {NAMESPACE: 3})


async def test_of_those_that_want_a_name_at_once_one_gets_it() -> None:
    """The first to be placed: no claim says so yet, and the others are told whose it will be."""
    spec = {"collectionName": "docs"}
    cluster, _ = pod_cluster(collection("a", spec=spec, **NEW), collection("b", spec=spec, **OLD))
    b, a = await asyncio.gather(cluster.gather("b"), cluster.gather("a"))
    assert (b.holder, a.holder) == (None, f"{NAMESPACE}/b")


async def test_of_those_that_want_a_name_on_one_server_at_once_one_gets_it() -> None:
    """Though each refers to an engine of its own, and neither knows of the other's wish. The other
    comes back in a moment, when it is known what came of it.
    """
    twin = collection("b", spec={"engineRef": {"name": "twin"}, "collectionName": "test01"})
    cluster, _ = endpoint_cluster(collection(), external(NAMED, name="twin"), twin)
    both = cluster.gather(), cluster.gather("b")
    a, b = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(a, Gathered)
    assert a.holder is None
    assert isinstance(b, Conflict)
    assert f"{NAMESPACE}/test01 is about to claim" in str(b)


async def test_of_those_that_want_the_last_room_at_once_one_gets_it() -> None:
    """Both have seen it free; the second looks again once it knows the server."""
    tight = engine(spec={"limits": {"maxCollectionsAndPartitions": 1}})
    cluster, _ = pod_cluster(collection("a"), collection("b"))
    cluster.add(tight)
    a, b = await asyncio.gather(cluster.gather("a"), cluster.gather("b"))
    assert a.member is not None
    assert b.member is None


async def test_a_member_that_fills_up_while_it_is_asked_is_not_chosen() -> None:
    """The next best is asked who it is, and gets the collection."""
    cluster = Cluster(*TWO_PODS, collection())
    cluster.engines.start(AT, instance=ID)
    cluster.engines.start(AT_1, instance=OTHER_ID)

    async def filled() -> None:
        cluster.add(claimed(claim("other"), "other"))

    cluster.engines.meanwhile = [filled]
    found = await cluster.gather()
    assert found.member is not None
    assert (found.member.name, found.server) == ("engine-1", OTHER_SERVER)
    assert set_aside(cluster).members == {"engine-1": 1}


async def test_a_pod_that_is_replaced_while_it_is_asked_is_asked_again() -> None:
    """What the one before said is not taken for the word of the one that came after."""
    cluster, _ = pod_cluster(collection())
    cluster.engines.start(AT_1, instance=OTHER_ID)

    async def replaced() -> None:
        cluster.add(pod(ip="10.0.0.8"))

    cluster.engines.meanwhile = [replaced]
    found = await cluster.gather()
    assert found.member is not None
    assert (found.member.address, found.server) == (AT_1, OTHER_SERVER)


async def test_a_pod_that_goes_while_it_is_asked_gets_nothing() -> None:
    """There is no member then, and nothing is set aside on one."""
    cluster, _ = pod_cluster(collection())

    async def unready() -> None:
        cluster.add(pod(ready=False))

    cluster.engines.meanwhile = [unready]
    assert (await cluster.gather()).member is None
    assert set_aside(cluster) == NO_LOAD


async def test_a_name_that_is_claimed_while_the_member_is_asked_is_taken() -> None:
    """It is looked up last, and nothing comes between that and setting it aside."""
    cluster, _ = pod_cluster(collection())

    async def taken() -> None:
        cluster.add(claimed(claim("thief", collection_name="test01"), "thief"))

    cluster.engines.meanwhile = [taken]
    assert (await cluster.gather()).holder == f"{NAMESPACE}/thief"
    assert set_aside(cluster) == NO_LOAD


MANY = {"partitions": [f"p{number}" for number in range(100)]}
SMALL = {"limits": {"maxCollectionsAndPartitions": 50}}
TO_ALL = {"allowedNamespaces": {"from": "All"}, "limits": {"maxPerNamespace": 50}}


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        (engine(spec=SMALL), collection("refused", spec=MANY)),
        (engine(), collection("refused", spec={**MANY, **GUEST}, namespace="team-b")),
        (engine(spec=TO_ALL), collection("refused", spec={**MANY, **GUEST}, namespace="team-b")),
        (engine(spec=SMALL), claimed(claim("refused"), "refused", spec=MANY)),
        (
            engine(spec=TO_ALL),
            claimed(claim("refused"), "refused", spec={**MANY, **GUEST}, namespace="team-b"),
        ),
        (engine(), collection("refused", spec={**MANY, "collectionName": "docs"})),
        (engine(), collection("refused", spec={**MANY, "suspend": True})),
    ],
    ids=[
        "no room",
        "not welcome",
        "more than its share",
        "growing beyond its member",
        "growing beyond its share",
        "the name is taken",
        "suspended",
    ],
)
async def test_a_wish_that_is_refused_costs_nobody_anything(
    host: Manifest, refused: Manifest
) -> None:
    """Neither room nor name is set aside for what is not going to be made."""
    taken = claim("holder", collection_name="docs")
    cluster, _ = pod_cluster(claimed(taken, "holder"), refused)
    cluster.add(host)
    await cluster.gather("refused", refused["metadata"]["namespace"])
    assert set_aside(cluster) == NO_LOAD


async def test_a_guest_has_its_share_on_all_members_together() -> None:
    """Whatever room there is on one of them; the engine's own namespace has no such limit."""
    host = engine(
        spec={
            "replicas": 2,
            "allowedNamespaces": {"from": "All"},
            "limits": {"maxPerNamespace": 2},
        }
    )
    had = [
        claimed(claim(n, member=m), n, spec=GUEST, namespace="team-b")
        for n, m in (("a", "engine-0"), ("b", "engine-1"))
    ]
    guest = collection("guest", spec=GUEST, namespace="team-b")
    cluster = Cluster(*TWO_PODS, *had, guest, collection())
    cluster.add(host)
    for address in (AT, AT_1):
        cluster.engines.start(address, instance=address)
    refused = await cluster.gather("guest", "team-b")
    assert (refused.member, refused.has_share) == (None, False)
    assert (await cluster.gather()).member is not None


async def test_growth_is_set_aside() -> None:
    """Partitions that a claimed collection is about to get are nobody else's room."""
    grows = claimed(HELD, spec={"partitions": ["a", "b", "c"]}, status={"partitions": ["a"]})
    cluster, _ = pod_cluster(grows)
    found = await cluster.gather()
    assert (found.growth, found.grows_within_limits) == (2, True)
    assert set_aside(cluster) == Load({"engine-0": 2}, {NAMESPACE: 2})


async def test_a_collection_that_comes_back_takes_the_room_that_it_had() -> None:
    """Its claim counts still: only what it asks for besides is set aside."""
    spec, status = {"partitions": ["a", "b"]}, {"partitions": ["a"]}
    cluster, _ = pod_cluster(claimed(HELD, spec=spec, status=status), instance=OTHER_ID)
    assert (await cluster.gather()).lapsed == HELD
    assert set_aside(cluster).members == {"engine-0": 1}
    assert cluster.objects.load_of(ENGINE).members == {"engine-0": 2}


async def test_of_those_that_grow_into_the_last_room_one_does() -> None:
    """The second sees what the first has set aside."""
    tight = engine(spec={"limits": {"maxCollectionsAndPartitions": 3}})
    a, b = (claimed(claim(n), n, spec={"partitions": ["x"]}) for n in ("a", "b"))
    cluster, _ = pod_cluster(a, b)
    cluster.add(tight)
    found = await asyncio.gather(cluster.gather("a"), cluster.gather("b"))
    assert [g.grows_within_limits for g in found] == [True, False]
