"""What the API server refuses is reported in its words, and tried again."""

from typing import Any

import pytest

from quiver.domain.claims import FINALIZER
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Key, Manifest
from quiver.domain.servers import Server
from quiver.ports.errors import ApiRefused
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.report import Reporter
from quiver.reconcile.result import Result
from support.builders import INSTALLATION, NAMESPACE, claim, claimed, collection, engine, pod
from support.fake_cluster import Cluster
from support.namespaces import types

KEY, ENGINE = Key(NAMESPACE, "test01"), Key(NAMESPACE, "engine")
ID = "0" * 32
HELD = claim(server=Server("uid-of-engine", ID, None).identity)
DELETED: dict[str, Any] = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
BOUND: Manifest = {"binding": {"secretName": "docs"}}
NEW, CLAIMED = collection(), claimed(HELD)
OBJECT = "patch VectorCollection test01"
CASES: list[tuple[Manifest, str, str]] = [
    (NEW, OBJECT, "the claim"),
    ({**CLAIMED, "metadata": NEW["metadata"]}, OBJECT, "the finalizer"),
    (claimed(claim(server="instance:gone")), f"{OBJECT} status", "the claim"),
    (claimed(HELD, **DELETED), OBJECT, "the removal of the finalizer"),
    (collection(spec=BOUND), "apply Secret docs", "Secret 'docs'"),
    (CLAIMED, "get VectorCollection test01", "a read"),
]


def cluster_of(manifest: Manifest) -> Cluster:
    cluster = Cluster(engine(), pod(), manifest)
    cluster.engines.start("10.0.0.7:19530", instance=ID)
    return cluster


def ready_of(manifest: Manifest) -> Manifest:
    conditions: list[Manifest] = manifest["status"]["conditions"]
    return next(c for c in conditions if c["type"] == "Ready")


@pytest.mark.parametrize(("manifest", "call", "what"), CASES)
async def test_a_refusal_is_a_condition_and_is_retried(
    manifest: Manifest, call: str, what: str
) -> None:
    """It names what was refused, in words that are cut and cleaned, and says what to do."""
    cluster = cluster_of(manifest)
    cluster.api.refusals[call] = "exceeded quota:\n\x1b[31m" + "x" * 5000
    if call.endswith("status"):
        # The status cannot be written either.
        with pytest.raises(ApiRefused):
            await cluster.reconciler.reconcile(KEY)
        (message,) = [e.note for e in cluster.events if e.reason == "StatusRefused"]
        assert f"ApplyRefused: The API server refused {what}: exceeded quota: [31mxxx" in message
        return
    assert await cluster.reconciler.reconcile(KEY) is Result.RETRY
    ready = ready_of(cluster.get())
    assert (ready["status"], ready["reason"]) == ("False", "ApplyRefused")
    assert ready["message"].startswith(f"The API server refused {what}: exceeded quota: [31mxxx")
    assert ready["message"].endswith("Trying again.")
    assert len(ready["message"]) < 1500


@pytest.mark.parametrize(("retriable", "state"), [(True, "Reconciling"), (False, "Stalled")])
async def test_a_refusal_is_stalled_only_if_somebody_has_to_change_something(
    retriable: bool, state: str
) -> None:
    """A webhook that does not answer may be back in a moment; a quota stands."""
    cluster = cluster_of(NEW)
    cluster.api.refusals[OBJECT] = ApiRefused("no", retriable=retriable)
    await cluster.reconciler.reconcile(KEY)
    assert types(cluster.get()) == {"Ready", state}


async def test_a_refused_secret_keeps_the_one_that_was_published() -> None:
    """The status goes on naming it, so that it is deleted once its successor is there."""
    published = {"origin": "Created", "binding": {"name": "before"}}
    cluster = cluster_of(claimed(HELD, spec=BOUND, status=published))
    cluster.api.refusals["apply Secret docs"] = "no"
    await cluster.reconciler.reconcile(KEY)
    assert cluster.get()["status"]["binding"] == {"name": "before"}
    cluster.api.refusals.clear()
    await cluster.reconciler.reconcile(KEY)
    assert cluster.get()["status"]["binding"] == {"name": "docs"}
    assert cluster.get("docs", SECRET)["data"]


async def test_a_refused_claim_leaves_nothing_behind() -> None:
    """Neither on the engine nor in the object, and its room is free for others."""
    cluster = cluster_of(NEW)
    cluster.api.refusals[OBJECT] = "no"
    await cluster.reconciler.reconcile(KEY)
    assert FINALIZER not in cluster.get()["metadata"].get("finalizers", [])
    assert "claim" not in cluster.get()["status"]


async def test_an_engine_whose_parts_cannot_be_read_says_so() -> None:
    """And keeps what its status said of pods and replicas."""
    known = {"replicas": 3, "highestReplicas": 3}
    cluster = Cluster(engine(status=known))
    reporter = Reporter(cluster.objects, cluster, cluster)
    reconciler = EngineReconciler(
        cluster.objects,
        cluster.engines,
        cluster.dialling,
        cluster.identities,
        reporter,
        INSTALLATION,
    )
    cluster.api.refusals["get StatefulSet engine"] = "statefulsets.apps is forbidden"
    assert await reconciler.reconcile(ENGINE) is Result.RETRY
    found = cluster.get("engine", VECTOR_ENGINE)
    assert ready_of(found)["reason"] == "ApplyRefused"
    assert "refused a read: statefulsets.apps is forbidden." in ready_of(found)["message"]
    assert {field: found["status"][field] for field in known} == known
