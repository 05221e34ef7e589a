"""What is found out about an engine, and what is written into its status."""

import asyncio
import copy
from typing import Any

import msgspec
import pytest

from quiver.domain.access import PLAIN
from quiver.domain.claims import KEY_BYTES, ClaimKeys
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import NAMESPACE as NAMESPACES
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.domain.members import members_of
from quiver.domain.possession import UID_ANNOTATION
from quiver.domain.servers import Server
from quiver.domain.troubles import NO_REPORT, NOTHING_HEARD, EngineReport, Reports
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.engines.revisions import HELD
from quiver.reconcile.engines.workload import stateful_set_for
from quiver.reconcile.report import Reporter
from support.builders import (
    INSTALLATION,
    NAMESPACE,
    claim,
    claimed,
    collection,
    engine,
    external,
    intended,
    metadata,
    pod,
)
from support.fake_cluster import Cluster
from support.namespaces import types

KEY = Key(NAMESPACE, "engine")


class EngineCluster(Cluster):
    """A cluster with an engine."""

    def __init__(self, manifest: Manifest, *others: Manifest) -> None:
        super().__init__(manifest, *others)
        reporter = Reporter(self.objects, self, self)
        self.engine_reconciler = EngineReconciler(
            self.objects, self.engines, self.dialling, self.identities, reporter, INSTALLATION
        )

    async def reconcile(self) -> Any:
        """Return the engine's status after a reconcile."""
        await self.engine_reconciler.reconcile(KEY)
        return self.get("engine", VECTOR_ENGINE)["status"]

    def replicas(self) -> Any:
        return self.get("engine", STATEFUL_SET)["spec"]["replicas"]


def forged(name: str, member: str) -> Manifest:
    """Return a collection whose annotation claims to be on this pod, signed by nobody's key."""
    keys = ClaimKeys([b"x" * KEY_BYTES])
    return intended(claim(name, member=member), name, keys=keys)


async def test_a_claim_holds_a_pod() -> None:
    """As far as the engine ever had one of that number, however the claim is written."""
    once = engine(spec={"replicas": 0}, status={"highestReplicas": 3})
    on_two = (claimed(claim("a", member="engine-1"), "a"), intended(claim("b"), "b"))
    cluster = EngineCluster(once, *on_two, claimed(claim("c", member="engine-7"), "c"))
    status = await cluster.reconcile()
    assert (cluster.replicas(), status["highestReplicas"]) == (2, 3)


@pytest.mark.parametrize("member", ["engine-2", "engine-²", "engine-02", "engine-1_0"])
async def test_a_claim_that_is_none_holds_nothing(member: str) -> None:
    """Whoever may edit objects makes nobody pay for pods, nor the operator stumble: neither by a
    claim that is not believed, nor by one that the release before has believed.
    """
    once = engine(spec={"replicas": 0}, status={"highestReplicas": 3})
    cluster = EngineCluster(once, forged("a", member))
    if member != "engine-2":
        cluster.add(claimed(claim("b", member=member), "b"))
    status = await cluster.reconcile()
    assert (cluster.replicas(), status["highestReplicas"]) == (0, 3)


def never_ready(name: str) -> Manifest:
    at = {"lastTransitionTime": "2024-05-01T11:00:00Z"}
    conditions = [
        {"type": "Initialized", "status": "True", **at},
        {"type": "Ready", "status": "False", **at},
    ]
    return {**pod(name), "status": {"podIP": "10.0.0.7", "conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "held", "replicas"),
    [
        (pod("engine-1"), ["docs"], 2),
        (pod("engine-1"), [], 0),
        (pod("engine-1"), None, 2),
        (pod("engine-1", ready=False), ["docs"], 2),
        (never_ready("engine-1"), ["docs"], 0),
        (pod("engine-0"), ["mine"], 1),
    ],
    ids=["holds one", "empty", "silent", "was ready", "never was ready", "a claimed one"],
)
async def test_a_pod_is_asked_before_it_is_scaled_away(
    found: Manifest, held: list[str] | None, replicas: int
) -> None:
    """What it holds without a claim keeps it, and so does silence, unless it never was ready."""
    once = engine(spec={"replicas": 0}, status={"highestReplicas": 3})
    mine = claimed(claim("mine", member="engine-0"), "mine")
    cluster = EngineCluster(once, found, *([mine] if held == ["mine"] else []))
    server = cluster.engines.start("10.0.0.7:19530")
    server.up = held is not None
    for name in held or ():
        server.create(
            CollectionSchema(name=name, dimension=8, index_file_size=1024, metric_type="L2")
        )
    status = await cluster.reconcile()
    assert cluster.replicas() == replicas
    blocked = status["conditions"][0]["message"].startswith("Not scaled down to 0")
    assert blocked is bool(replicas)


async def test_the_most_replicas_are_in_the_status() -> None:
    """They grow with the spec and do not shrink with it; endpoints are not counted so."""
    cluster = EngineCluster(engine(spec={"replicas": 2}))
    assert (await cluster.reconcile())["highestReplicas"] == 2
    cluster.add(
        {**engine(spec={"replicas": 1}), "status": cluster.get("engine", VECTOR_ENGINE)["status"]}
    )
    assert (await cluster.reconcile())["highestReplicas"] == 2
    assert "highestReplicas" not in await EngineCluster(external("10.0.0.9:19530")).reconcile()


@pytest.mark.parametrize(
    ("spec", "mutation", "image"),
    [
        ({}, None, INSTALLATION.engine_image),
        ({"image": "other:2"}, None, "other:2"),
        ({}, "mirror.example.org/image:1", "mirror.example.org/image:1"),
        ({}, "a\nb" + "c" * 2000, "a b" + "c" * 1020 + "…"),
    ],
    ids=["the operator's", "the spec's", "a webhook's", "hostile"],
)
async def test_the_status_names_the_image_of_the_pods(
    spec: Manifest, mutation: str | None, image: str
) -> None:
    """Also where the spec names none, or an admission webhook puts another in its place."""
    cluster = EngineCluster(engine(spec=spec))
    if mutation is not None:
        container = {"name": "engine", "image": mutation}
        template = {"spec": {"containers": [container]}}
        cluster.api.mutation = {"spec": {"template": template}}
    assert (await cluster.reconcile())["image"] == image


async def test_no_image_is_told_of_pods_that_are_not_the_engines() -> None:
    """An external engine has none, and a StatefulSet of somebody else is none of it."""
    assert "image" not in await EngineCluster(external("10.0.0.9:19530")).reconcile()
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata("engine"),
        "spec": {"template": {"spec": {"containers": [{"name": "engine", "image": "theirs"}]}}},
    }
    assert "image" not in await EngineCluster(engine(), foreign).reconcile()


async def test_what_collections_left_stays_as_they_wrote_it() -> None:
    """An engine's own report is made of what it knew before, and they may have written since."""
    cluster = EngineCluster(engine(status={"retained": {"a": "team-b"}}))
    status = await cluster.reconcile()
    assert status["retained"] == {"a": "team-b"}
    assert status["conditions"]
    (patch,) = [patch for patch in cluster.api.patches if "status" in patch]
    assert "retained" not in patch["status"]
    before = len(cluster.api.patches)
    await cluster.reconcile()
    assert len(cluster.api.patches) == before


async def test_an_endpoint_is_not_dialled_while_a_secret_is_in_the_way() -> None:
    """Not in the clear, and not without knowing whom to trust."""
    tls = {"tls": {"caSecretName": "gone"}}
    cluster = EngineCluster(external("10.0.0.9:19530", spec=tls))
    server = cluster.engines.start("10.0.0.9:19530")
    (ready, *_) = (await cluster.reconcile())["conditions"]
    assert ready["reason"] == "SecretNotFound"
    assert sum(server.calls.values()) == 0


async def test_endpoints_are_looked_up_each_time_and_asked_where_they_are() -> None:
    """Those that are refused are not dialled, and the engine says why."""
    names = ("good.example.org:1", "bad.example.org:1", "silent.example.org:1")
    cluster = EngineCluster(external(*names))
    cluster.names.addresses = {
        "good.example.org": ("10.0.0.9",),
        "bad.example.org": ("127.0.0.1",),
        "silent.example.org": ("10.0.0.10",),
    }
    good, bad = cluster.engines.start("10.0.0.9:1"), cluster.engines.start("127.0.0.1:1")
    (ready, *_) = (await cluster.reconcile())["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "EndpointRefused")
    assert "2 of 3 endpoints cannot be used: bad.example.org:1: 127.0.0.1" in ready["message"]
    assert (good.calls["version"], sum(bad.calls.values())) == (1, 0)
    cluster.names.addresses["bad.example.org"] = ("10.0.0.9",)
    cluster.engines.start("10.0.0.10:1")
    (ready, *_) = (await cluster.reconcile())["conditions"]
    assert ready["status"] == "True"


async def test_an_engine_that_is_gone_is_forgotten() -> None:
    """Its addresses, and that its pods are Quiver's."""
    cluster = EngineCluster(engine(), pod())
    cluster.engines.start("10.0.0.7:19530", instance="0" * 32)
    cluster.add(claimed(claim()))
    await cluster.gather()
    newcomer = msgspec.convert(engine("z", creationTimestamp="2025-01-01T00:00:00Z"), VectorEngine)
    server = Server("uid-of-engine", "0" * 32, None)
    assert list(cluster.identities.elders_at(server, newcomer, managed=True))
    cluster.remove(VECTOR_ENGINE, "engine")
    await cluster.engine_reconciler.reconcile(KEY)
    assert not list(cluster.identities.elders_at(server, newcomer, managed=True))


async def test_a_network_policy_that_cannot_be_deleted_is_reported() -> None:
    """The engine quotes the API server and tries again; once it may, the policy is gone."""
    cluster = EngineCluster(engine(spec={"replicas": 0, "networkPolicy": {}}))
    await cluster.reconcile()
    status = cluster.get("engine", VECTOR_ENGINE)["status"]
    cluster.add({**engine(spec={"replicas": 0}), "status": status})
    cluster.api.refusals = {"delete NetworkPolicy engine": "it is forbidden"}
    (ready, *_) = (await cluster.reconcile())["conditions"]
    assert ready["reason"] == "ApplyRefused"
    assert "refused NetworkPolicy 'engine': it is forbidden." in ready["message"]
    cluster.api.refusals = {}
    await cluster.reconcile()
    assert (NETWORK_POLICY, KEY) not in cluster.api.objects


async def test_trouble_of_a_pod_is_reported_until_the_pod_says_otherwise() -> None:
    """A pod that is not ready, or does not answer, may have it still."""

    async def is_full() -> bool:
        return "DiskFull" in types({"status": await cluster.reconcile()})

    cluster = EngineCluster(engine(), pod())
    assert not await is_full()
    server = cluster.engines.start("10.0.0.7:19530")
    server.report = EngineReport(full_disk=2**30)
    assert await is_full()
    server.up = False
    assert await is_full()
    cluster.add(pod(ready=False))
    assert await is_full()
    cluster.add(pod())
    server.up, server.report = True, NO_REPORT
    assert not await is_full()


async def test_a_new_collection_goes_to_a_pod_whose_disk_has_room() -> None:
    """Even if that pod holds more collections."""
    two = engine(spec={"replicas": 2})
    pods = [pod(f"engine-{n}", ip=f"10.0.0.{n}") for n in range(2)]
    there = claimed(claim("old", member="engine-1"), "old")
    cluster = EngineCluster(two, *pods, there, collection("new"))
    for number, report in enumerate([EngineReport(full_disk=2**30), NO_REPORT]):
        cluster.engines.start(f"10.0.0.{number}:19530", instance=f"{number:032}").report = report
    parsed = msgspec.convert(two, VectorEngine)
    for member in members_of(parsed, (msgspec.convert(p, Pod) for p in pods), PLAIN):
        await cluster.identities.ask(parsed, member)
    await cluster.reconcile()
    await cluster.reconciler.reconcile(Key(NAMESPACE, "new"))
    assert cluster.get("new")["status"]["placement"]["pod"] == "engine-1"


async def test_an_engine_whose_gpus_are_idle_says_so() -> None:
    """A pod that was given a GPU and computes on the CPU; one that was given none says nothing."""

    async def reasons(spec: Manifest) -> set[str]:
        cluster = EngineCluster(engine(spec=spec), pod())
        cluster.engines.start("10.0.0.7:19530")
        return {c["reason"] for c in (await cluster.reconcile())["conditions"]}

    assert "GPUUnused" in await reasons({"gpu": {"count": 1}})
    assert "GPUUnused" not in await reasons({})


EPHEMERAL = "DataEphemeral"


async def test_an_engine_without_storage_says_so_while_it_holds_collections() -> None:
    """The status is written when the condition comes and when it goes, and never between."""
    cluster = EngineCluster(engine(), pod())
    assert EPHEMERAL not in types({"status": await cluster.reconcile()})
    cluster.add(claimed(claim("a"), "a"))
    assert EPHEMERAL in types({"status": await cluster.reconcile()})
    written = len(cluster.api.patches)
    cluster.add(claimed(claim("b"), "b"))
    assert EPHEMERAL in types({"status": await cluster.reconcile()})
    assert len(cluster.api.patches) == written
    cluster.remove(VECTOR_COLLECTION, "a")
    cluster.remove(VECTOR_COLLECTION, "b")
    assert EPHEMERAL not in types({"status": await cluster.reconcile()})
    assert len(cluster.api.patches) == written + 1


@pytest.mark.parametrize(
    "manifest", [engine(spec={"storage": {"size": "1Gi"}}), external("10.0.0.9:19530")]
)
async def test_an_engine_that_keeps_its_data_or_is_of_others_says_nothing_of_it(
    manifest: Manifest,
) -> None:
    """Whatever it holds."""
    cluster = EngineCluster(manifest, pod())
    cluster.add(claimed(claim("a"), "a"), claimed(claim("b", member="10.0.0.9:19530"), "b"))
    assert EPHEMERAL not in types({"status": await cluster.reconcile()})


async def test_what_is_said_of_storage_stays_while_the_engine_cannot_be_read() -> None:
    """Whether it holds collections is not known then."""
    cluster = EngineCluster(engine(), pod(), claimed(claim("a"), "a"))
    await cluster.reconcile()
    cluster.remove(STATEFUL_SET, "engine")
    cluster.api.refusals["get StatefulSet engine"] = "it is forbidden"
    status = await cluster.reconcile()
    assert types({"status": status}) == {"Ready", "Stalled", EPHEMERAL}


async def test_the_default_image_is_recorded_for_pods_without_storage() -> None:
    """A later operator, which has another, leaves them as they are."""
    cluster = EngineCluster(engine(), pod())
    assert (await cluster.reconcile())["defaultImage"] == INSTALLATION.engine_image


def upgraded(*, policy: str = "Automatic", names: tuple[str, ...] = ("engine",)) -> EngineCluster:
    """Return a cluster in which an upgrade waits for each of these engines."""
    spec = {"storage": {"size": "1Gi"}, "upgradePolicy": policy}
    engines = [engine(name, spec=spec, status={"image": "before:1"}) for name in names]
    cluster = EngineCluster(*engines, *(pod(f"{name}-0") for name in names))
    for manifest in engines:
        made = stateful_set_for(
            msgspec.convert(manifest, VectorEngine), image="image:1", replicas=1
        )
        made["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1}
        cluster.add({**made, "status": DIFFERING})
    return cluster


DIFFERING = {"observedGeneration": 1, "currentRevision": "a", "updateRevision": "b"}


def is_held(cluster: EngineCluster, name: str = "engine") -> bool:
    strategy = cluster.get(name, STATEFUL_SET)["spec"]["updateStrategy"]
    return bool(strategy["rollingUpdate"]["partition"] == HELD)


async def test_an_upgrade_that_waits_stands_in_the_status() -> None:
    """With its id, by itself and in the command, and with the image that the pods have. It stays
    while the engine cannot be read.
    """
    cluster = upgraded(policy="Manual")
    status = await cluster.reconcile()
    (said,) = (c for c in status["conditions"] if c["type"] == "PodsOutdated")
    assert f"quiver.dev/upgrade={status['pendingUpgrade']}`" in said["message"]
    assert (said["reason"], status["image"]) == ("UpgradeWaiting", "before:1")
    assert is_held(cluster)
    written = len(cluster.api.patches)
    await cluster.reconcile()
    assert len(cluster.api.patches) == written
    cluster.remove(STATEFUL_SET, "engine")
    cluster.api.refusals["get StatefulSet engine"] = "it is forbidden"
    refused = await cluster.reconcile()
    assert said in refused["conditions"]
    assert refused["pendingUpgrade"] == status["pendingUpgrade"]


async def test_engines_are_upgraded_one_after_another() -> None:
    """The next one begins once the pods of the first are all of the new revision, and nothing waits
    for them; or once that one is not to be upgraded by itself any more.
    """
    cluster = upgraded(names=("engine", "other"))
    other = Key(NAMESPACE, "other")
    await asyncio.gather(cluster.reconcile(), cluster.engine_reconciler.reconcile(other))
    assert (is_held(cluster), is_held(cluster, "other")) == (False, True)
    live = cluster.get("engine", STATEFUL_SET)
    cluster.add({**live, "status": {**DIFFERING, "currentRevision": "b"}})
    await cluster.reconcile()
    silent = {"conditions": [{"type": "Ready", "status": "False", "reason": "EngineUnreachable"}]}
    cluster.add(claimed(claim("a"), "a", status=silent))
    await cluster.engine_reconciler.reconcile(other)
    assert is_held(cluster, "other")
    cluster.add(claimed(claim("a"), "a"))
    await cluster.engine_reconciler.reconcile(other)
    assert not is_held(cluster, "other")


async def test_an_engine_that_is_set_to_manual_gives_its_turn_away() -> None:
    """Its upgrade may have stopped for good."""
    cluster = upgraded(names=("engine", "other"))
    await cluster.reconcile()
    manifest = cluster.get("engine", VECTOR_ENGINE)
    cluster.add({**manifest, "spec": {**manifest["spec"], "upgradePolicy": "Manual"}})
    await cluster.engine_reconciler.reconcile(Key(NAMESPACE, "other"))
    assert not is_held(cluster, "other")


async def test_an_owner_reference_of_the_release_before_is_taken_off() -> None:
    """The engine gets its finalizer first. Other owners stay."""
    cluster = EngineCluster(engine())
    await cluster.reconcile()
    owner = {"uid": cluster.get("engine", VECTOR_ENGINE)["metadata"]["uid"]}
    live = cluster.get("engine", STATEFUL_SET)
    metadata = {**live["metadata"], "ownerReferences": [owner, {"uid": "other"}]}
    cluster.add({**live, "metadata": metadata})
    await cluster.reconcile()
    assert cluster.get("engine", STATEFUL_SET)["metadata"]["ownerReferences"] == [{"uid": "other"}]
    calls = cluster.api.calls
    assert calls.index("patch VectorEngine engine") < calls.index("apply StatefulSet engine")


def add_namespace(cluster: EngineCluster) -> None:
    namespace = {"kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.api.objects[NAMESPACES, Key("", NAMESPACE)] = namespace


def let_go(cluster: EngineCluster) -> None:
    """Delete the engine, which its finalizer holds."""
    going = copy.deepcopy(cluster.get("engine", VECTOR_ENGINE))
    going["metadata"]["deletionTimestamp"] = "2024-05-02T10:00:00Z"
    cluster.add(going)


async def test_a_part_that_lost_its_uid_is_taken_up_again() -> None:
    """Whoever takes the annotation off costs the engine none of its pods."""
    cluster = EngineCluster(engine())
    await cluster.reconcile()
    live = copy.deepcopy(cluster.get("engine", STATEFUL_SET))
    uid = live["metadata"]["annotations"].pop(UID_ANNOTATION)
    cluster.add(live)
    status = await cluster.reconcile()
    assert status["conditions"][0]["reason"] != "NameTaken"
    assert cluster.get("engine", STATEFUL_SET)["metadata"]["annotations"][UID_ANNOTATION] == uid


async def test_a_claim_that_is_written_while_pods_are_asked_keeps_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pods may take seconds to answer: what is claimed meanwhile is not taken away."""
    cluster = EngineCluster(engine(), pod("engine-0"))
    add_namespace(cluster)
    await cluster.reconcile()
    let_go(cluster)

    async def slow(*_: object, **__: object) -> Reports:
        cluster.add(claimed(claim("docs"), "docs"))
        return NOTHING_HEARD

    monkeypatch.setattr("quiver.reconcile.engines.gather.reports_of", slow)
    status = await cluster.reconcile()
    assert status["conditions"][0]["reason"] == "DeletionBlocked"
    assert (STATEFUL_SET, KEY) in cluster.api.objects


@pytest.mark.parametrize("spec", [None, {"external": {"endpoints": ["h.example.org:1"]}}])
async def test_an_event_tells_once_that_an_engine_waits(spec: Manifest | None) -> None:
    """When it begins to wait for its collections, and not at every look."""
    member = "engine-0" if spec is None else "h.example.org:1"
    cluster = EngineCluster(engine(spec=spec), claimed(claim("a", member=member), "a"))
    add_namespace(cluster)
    await cluster.reconcile()
    let_go(cluster)
    for _ in range(2):
        status = await cluster.reconcile()
        assert status["conditions"][0]["reason"] == "DeletionBlocked"
    (event,) = cluster.events
    assert event[:2] == ("Normal", "DeletionBlocked")
    assert f"{NAMESPACE}/a" in event.note


async def test_what_an_engine_left_is_deleted_only_if_the_api_server_knows_no_engine() -> None:
    """The cache may lag behind."""
    cluster = EngineCluster(engine())
    await cluster.reconcile()
    there = cluster.get("engine", VECTOR_ENGINE)
    cluster.cache.remove(VECTOR_ENGINE, KEY, there["metadata"]["uid"])
    await cluster.engine_reconciler.reconcile(KEY)
    assert (STATEFUL_SET, KEY) in cluster.api.objects
    del cluster.api.objects[VECTOR_ENGINE, KEY]
    await cluster.engine_reconciler.reconcile(KEY)
    assert (STATEFUL_SET, KEY) not in cluster.api.objects


async def test_an_engine_that_others_hold_says_that_it_is_being_deleted() -> None:
    """Quiver has let it go. Whoever looks at it does not read that it serves."""
    cluster = EngineCluster(engine())
    add_namespace(cluster)
    await cluster.reconcile()
    let_go(cluster)
    going = cluster.get("engine", VECTOR_ENGINE)
    going["metadata"]["finalizers"].append("example.org/hold")
    cluster.add(going)
    status = await cluster.reconcile()
    assert cluster.get("engine", VECTOR_ENGINE)["metadata"]["finalizers"] == ["example.org/hold"]
    assert status["conditions"][0]["reason"] == "Dropping"
    assert (STATEFUL_SET, KEY) not in cluster.api.objects
