"""What is found out before anything is decided, and in which order."""

import asyncio
from typing import Any

import pytest

from builders import NAMESPACE, claim, claimed, collection, engine, external, intended, pod
from quiver.domain.collections import Claim, CollectionSchema
from quiver.domain.kubernetes_types import NAMESPACE as NAMESPACE_KIND
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.servers import Server
from quiver.ports.errors import Conflict, EngineUnreachable
from quiver.reconcile.collections.gathered import Gathered
from support.fake_engine import FakeEngine
from unit.cluster import Cluster

ENGINE, NOBODY = Key(NAMESPACE, "engine"), Key("", "")
AT, AT_1 = "10.0.0.7:19530", "10.0.0.8:19530"
ID, OTHER_ID = "0" * 32, "1" * 32
SERVER, OTHER_SERVER = (Server("uid-of-engine", id_, None) for id_ in (ID, OTHER_ID))
HELD = claim(server=SERVER.identity)
DELETED = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
SCHEMA = CollectionSchema(name="test01", dimension=256, index_file_size=1024, metric_type="L2")
TWO_PODS = (engine(spec={"replicas": 2}), pod(), pod("engine-1", ip="10.0.0.8"))
NAMED = "milvus.example.org:19530"


def pod_cluster(*manifests: Manifest, instance: str | None = ID) -> tuple[Cluster, FakeEngine]:
    """Return a cluster with a ready pod, and the engine in it."""
    cluster = Cluster(engine(), pod(), *manifests)
    return cluster, cluster.engines.start(AT, instance=instance)


def endpoint_cluster(*manifests: Manifest) -> tuple[Cluster, FakeEngine]:
    """Return a cluster with an external engine of one endpoint, and that engine, which tells no
    instance.
    """
    cluster = Cluster(external(NAMED), *manifests)
    cluster.names.addresses = {"milvus.example.org": ("10.0.0.9",)}
    return cluster, cluster.engines.start("10.0.0.9:19530")


def set_aside(cluster: Cluster, engine: Key = ENGINE) -> Load:
    """Return what reconciles under way have set aside on the engine, as others see it."""
    return cluster.reservations.added_to(NO_LOAD, engine, NOBODY)


async def test_a_claim_counts_on_its_server() -> None:
    """The member is asked who it is, then what it has; what follows is meant for it alone."""
    cluster, server = pod_cluster(claimed(HELD))
    server.create(SCHEMA)
    found = await cluster.gather()
    assert (found.claim, found.lapsed, found.server) == (HELD, None, SERVER)
    assert found.observed is not None
    assert found.target.instance == ID


async def test_a_claim_that_is_not_in_the_status_yet_counts_too() -> None:
    """Between claim and first status the collection may be there already."""
    cluster, _ = pod_cluster(intended(HELD))
    found = await cluster.gather()
    assert (found.claim, found.holder) == (HELD, None)


async def test_a_claim_lapses_where_another_server_is() -> None:
    """What that one has under the name is looked at: it may be in the way, or be adopted."""
    cluster, server = pod_cluster(claimed(HELD), instance=OTHER_ID)
    server.create(SCHEMA)
    found = await cluster.gather()
    assert (found.claim, found.lapsed, found.server) == (None, HELD, OTHER_SERVER)
    assert found.observed is not None
    assert found.target.instance == OTHER_ID


async def test_a_server_that_is_not_the_claimed_one_is_asked_for_nothing_when_all_goes() -> None:
    """A deleted object has nothing there, so nothing there is looked at."""
    cluster, server = pod_cluster(claimed(HELD, **DELETED), instance=OTHER_ID)
    found = await cluster.gather()
    assert (found.claim, found.lapsed) == (None, HELD)
    assert server.calls == {"instance": 1}


@pytest.mark.parametrize("uid", ["uid-of-engine", "uid-of-another"])
async def test_a_claim_of_before_servers_were_told_apart_counts_for_its_engine(uid: str) -> None:
    """The engine's uid is all that it knows of the server."""
    cluster = Cluster(engine(uid=uid), pod(), claimed(claim()))
    cluster.engines.start(AT, instance=ID)
    found = await cluster.gather()
    assert (found.claim is None) is (uid != "uid-of-engine")


async def test_a_collection_that_went_with_its_server_comes_back_to_its_member() -> None:
    """Clients look for it there, however empty the others are."""
    cluster = Cluster(*TWO_PODS, claimed(HELD), claimed(claim("full"), "full"))
    cluster.engines.start(AT, instance=OTHER_ID)
    cluster.engines.start(AT_1)
    found = await cluster.gather()
    assert found.member is not None
    assert (found.lapsed, found.member.name) == (HELD, "engine-0")


async def test_a_name_whose_server_is_away_can_be_taken_over_by_nobody() -> None:
    """A claim keeps the name in the engine, also while its member cannot say who it is."""
    cluster = Cluster(*TWO_PODS, claimed(claim(collection_name="docs")))
    cluster.add(collection("heir", spec={"collectionName": "docs"}))
    cluster.engines.start(AT).up = False
    cluster.engines.start(AT_1)
    assert (await cluster.gather("heir")).holder == f"{NAMESPACE}/test01"


OLD, NEW = (
    {"creationTimestamp": "2024-01-01T00:00:00Z"},
    {"creationTimestamp": "2024-02-01T00:00:00Z"},
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
GUEST = {"engineRef": {"name": "engine", "namespace": NAMESPACE}}
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


@pytest.mark.parametrize(
    "manifest",
    [
        collection(spec={"engineRef": {"name": "none"}}),
        collection(spec={"suspend": True}),
        claimed(HELD, spec={"suspend": True}),
        collection(finalizers=["x"], **DELETED),
    ],
    ids=["no engine", "suspended", "suspended and claimed", "deleted without a claim"],
)
async def test_nobody_is_asked_who_has_no_part_in_it(manifest: Manifest) -> None:
    """Where there is nothing to make, nothing is dialled."""
    cluster, server = pod_cluster(manifest)
    await cluster.gather()
    assert not server.calls


@pytest.mark.parametrize(
    "manifest",
    [
        collection(finalizers=["x"], **DELETED),
        collection(spec={"engineRef": {"name": "engine", "namespace": NAMESPACE}}, namespace="b"),
    ],
    ids=["deleted without a claim", "not welcome"],
)
async def test_no_name_is_looked_up_for_who_gets_nothing_there(manifest: Manifest) -> None:
    """Who may not use an engine does not have the operator ask for it."""
    cluster, server = endpoint_cluster(manifest)
    await cluster.gather(namespace=manifest["metadata"]["namespace"])
    assert (cluster.names.asked, sum(server.calls.values())) == ([], 0)


async def test_a_namespace_that_is_no_longer_welcome_still_has_its_collection_dropped() -> None:
    """Its claim is held against the server all the same."""
    manifest = claimed(HELD, spec=GUEST, namespace="team-b", **DELETED)
    cluster, server = pod_cluster(manifest)
    server.create(SCHEMA)
    found = await cluster.gather(namespace="team-b")
    assert (found.allowed, found.claim) == (False, HELD)
    assert found.observed is not None


async def test_welcome_is_who_has_the_labels() -> None:
    """They are asked for each time: nobody watches namespaces."""
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "search"}}}
    cluster, _ = pod_cluster(collection(spec=GUEST, namespace="team-b"))
    cluster.add(engine(spec={"allowedNamespaces": selector}))
    assert not (await cluster.gather(namespace="team-b")).allowed
    labelled: Manifest = {"metadata": {"name": "team-b", "labels": {"team": "search"}}}
    cluster.api.store(NAMESPACE_KIND, labelled)
    assert (await cluster.gather(namespace="team-b")).allowed


async def test_what_is_counted_is_what_the_decision_needs() -> None:
    """Vectors are counted where the policy asks for it, of what may go and of nothing else."""
    policy = {"deletionPolicy": "DeleteIfEmpty"}
    going = claimed(HELD, spec=policy, **DELETED)
    shrinking = claimed(HELD, spec=policy, status={"partitions": ["a"]})
    for manifest, counted in (
        (going, (5, {})),
        (shrinking, (0, {"a": 2})),
        (claimed(HELD), (0, {})),
    ):
        cluster, server = pod_cluster(manifest)
        server.create(SCHEMA)
        server.create_partition("test01", "a")
        server.insert("test01", 3)
        server.insert("test01", 2, "a")
        report = (await cluster.gather()).observation
        assert (report.rows, dict(report.partition_rows)) == counted


async def test_a_server_that_changes_between_two_questions_says_nothing() -> None:
    """The second is meant for the one that answered the first, and another refuses it."""
    cluster, server = pod_cluster(claimed(HELD))

    async def replaced() -> None:
        server.instance = OTHER_ID

    cluster.engines.meanwhile = [replaced]
    found = await cluster.gather()
    assert found.claim == HELD
    assert found.observation.failure is not None
    assert found.observed is None


@pytest.mark.parametrize("held", [claim(member="engine-9"), claim(member="engine-²")])
async def test_a_claim_of_a_member_that_is_not_there_asks_nobody(held: Claim) -> None:
    """And places nothing elsewhere."""
    cluster, server = pod_cluster(claimed(held))
    found = await cluster.gather()
    assert (found.claim, found.member, found.server) == (held, None, None)
    assert not server.calls
    assert cluster.cache.get(VECTOR_COLLECTION, Key(NAMESPACE, "test01")) is not None
