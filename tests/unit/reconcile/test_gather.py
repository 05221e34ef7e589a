"""What is found out before anything is decided, and in which order."""

import pytest

from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import NAMESPACE as NAMESPACE_KIND
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.reconcile.collections.admitted import READS
from support.builders import NAMESPACE, claim, claimed, collection, engine, intended, pod
from support.fake_cluster import Cluster
from support.gathering import (
    AT,
    AT_1,
    DELETED,
    GUEST,
    HELD,
    ID,
    NEW,
    OLD,
    OTHER_ID,
    OTHER_SERVER,
    SCHEMA,
    SERVER,
    TWO_PODS,
    endpoint_cluster,
    pod_cluster,
)


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


async def test_each_namespace_of_those_who_want_a_name_is_read_once_a_look() -> None:
    """A namespace that asks for one name 2,000 times costs a look one read, and namespaces are read
    a few at a time.
    """
    selector = {"from": "Selector", "selector": {"matchLabels": {"team": "search"}}}
    cluster, _ = pod_cluster()
    cluster.add(engine(spec={"allowedNamespaces": selector}))
    wish = {**GUEST, "collectionName": "docs"}
    crowd = [(f"old-{n}", "crowd") for n in range(2000)]
    others = [(f"old-{n}", f"team-{n}") for n in range(40)]
    cluster.add(*(collection(name, spec=wish, namespace=ns, **OLD) for name, ns in crowd + others))
    cluster.add(collection("new", spec=wish, namespace="team-b", **NEW))
    for name in ("team-b", "team-7"):
        labels = {"team": "search"}
        cluster.api.store(NAMESPACE_KIND, {"metadata": {"name": name, "labels": labels}})
    found = await cluster.gather("new", namespace="team-b")
    assert found.holder == "team-7/old-7"
    reads = [call for call in cluster.api.calls if call.startswith("get Namespace")]
    assert len(reads) == len(set(reads)) == 42
    assert 1 < cluster.api.most_at_once <= READS


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
