"""What an engine says of pods that are missing, wait for volumes, or are no longer ready."""

from typing import Any

import pytest

from quiver.domain.kubernetes_types import STATEFUL_SET, VECTOR_ENGINE, Key, Manifest
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.report import Reporter
from quiver.reconcile.result import Result
from support.builders import INSTALLATION, NAMESPACE, engine, pod
from support.fake_cluster import Cluster

KEY = Key(NAMESPACE, "engine")
STATEFUL_SET_EVENTS = "some Event team-a StatefulSet engine"
CLAIM_EVENTS = "some Event team-a PersistentVolumeClaim data-engine-0"
BEGUN, LATER = "2024-05-01T10:00:00Z", "2024-05-01T10:07:00Z"
STORED: Manifest = {"storage": {"size": "10Gi", "className": "fast"}}
FORBIDDEN = 'pods "engine-0" is forbidden: exceeded quota: none'
REFUSAL = f"create Pod engine-0 in StatefulSet engine failed error: {FORBIDDEN}"
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
NO_CLASS = 'storageclass.storage.k8s.io "fast" not found'


def event(reason: str, note: str, at: str = BEGUN, **regarding: str) -> Manifest:
    about = {"name": "engine", "uid": "uid-of-engine", **regarding}
    return {"reason": reason, "note": note, "deprecatedLastTimestamp": at, "regarding": about}


class EngineCluster(Cluster):
    """A cluster with an engine whose StatefulSet has `there` pods by its controller's word."""

    def __init__(self, *pods: Manifest, there: int, spec: Manifest | None = None) -> None:
        super().__init__(engine(spec=spec), *pods)
        counted = {"observedGeneration": 1, "updateRevision": "r", "currentRevision": "r"}
        self.api.mutation = {"status": {**counted, "replicas": there}}
        reporter = Reporter(self.objects, self, self)
        self.engine_reconciler = EngineReconciler(
            self.objects, self.engines, self.dialling, self.identities, reporter, INSTALLATION
        )

    async def look(self) -> Result:
        """Have the workload applied, and then look at what became of it."""
        await self.engine_reconciler.reconcile(KEY)
        self.api.calls.clear()
        return await self.engine_reconciler.reconcile(KEY)

    @property
    def said(self) -> tuple[str, str]:
        ready, *_ = self.get("engine", VECTOR_ENGINE)["status"]["conditions"]
        return ready["reason"], ready["message"]

    @property
    def asked(self) -> list[str]:
        return [call for call in self.api.calls if call.startswith("some")]


async def test_a_pod_that_is_refused_is_told_in_the_controllers_words() -> None:
    """A quota's, for instance. The engine is looked at again, since no watch tells of Events."""
    cluster = EngineCluster(there=0)
    cluster.api.events = [event("FailedCreate", f"{REFUSAL}\n\x1b[31m")]
    assert await cluster.look() is Result.RETRY
    reason, message = cluster.said
    assert reason == "PodRefused"
    assert f"0 of 1 pod ready. Kubernetes does not create the others: {REFUSAL} [31m." in message
    assert cluster.asked == [STATEFUL_SET_EVENTS]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event("FailedCreate", REFUSAL, uid="uid-of-the-one-before")],
        [event("FailedCreate", REFUSAL), event("SuccessfulCreate", "created", LATER)],
        [event("FailedUpdate", REFUSAL)],
    ],
    ids=["none", "of an earlier StatefulSet", "before one that went well", "about something else"],
)
async def test_a_refusal_that_is_over_is_not_told(events: list[Manifest]) -> None:
    """The latest Event about this StatefulSet decides; until there is one, pods are starting."""
    cluster = EngineCluster(there=0)
    cluster.api.events = events
    await cluster.look()
    assert cluster.said == ("Starting", "0 of 1 pod ready.")


async def test_what_an_event_says_is_one_line_of_bounded_length() -> None:
    """Whoever may create Events in the namespace can write what they like into one."""
    cluster = EngineCluster(there=0)
    cluster.api.events = [event("FailedCreate", "x\n" * 10_000)]
    await cluster.look()
    _, message = cluster.said
    assert message.isprintable()
    assert len(message) < 800


async def test_events_are_read_only_where_something_is_missing() -> None:
    """An engine that has its pods, and one whose pods are starting, cost no such call."""
    for there in (pod(), pod(ready=False)):
        cluster = EngineCluster(there, there=1)
        await cluster.look()
        assert cluster.asked == []


async def test_an_operator_that_may_not_read_events_goes_on_and_says_so() -> None:
    """It applies what the spec says all the same."""
    cluster = EngineCluster(there=0)
    cluster.api.refusals[STATEFUL_SET_EVENTS] = "events.events.k8s.io is forbidden"
    await cluster.look()
    reason, message = cluster.said
    assert reason == "PodRefused"
    assert "the Events that say why cannot be read: events.events.k8s.io is forbidden." in message
    cluster.add(engine(spec={"replicas": 2}))
    await cluster.engine_reconciler.reconcile(KEY)
    assert cluster.get("engine", STATEFUL_SET)["spec"]["replicas"] == 2


def unbound() -> Manifest:
    waiting = pod(ready=False, ip=None)
    waiting["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNBOUND}
    ]
    return waiting


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([event("ProvisioningFailed", NO_CLASS, name="data-engine-0")], NO_CLASS),
        ([], UNBOUND.rstrip(".")),
    ],
    ids=["a class that does not exist", "nothing but what the scheduler says"],
)
async def test_a_volume_that_is_missing_is_told_with_its_claim_and_class(
    events: list[Manifest], why: str
) -> None:
    """And not as a lack of nodes or GPUs."""
    cluster = EngineCluster(unbound(), there=1, spec=STORED)
    cluster.api.events = events
    assert await cluster.look() is Result.RETRY
    reason, message = cluster.said
    assert reason == "VolumeNotBound"
    claim = "PersistentVolumeClaim 'data-engine-0' of StorageClass 'fast' is not bound"
    assert f"Pod engine-0 waits for its volume. {claim}: {why}. " in message
    assert cluster.asked == [CLAIM_EVENTS]


def running(started: str, unready: str, **container: Any) -> Manifest:
    """Return a pod whose container runs since `started`, and which is not ready since `unready`."""
    found = pod(ready=False)
    found["spec"] = {"nodeName": "node-a"}
    state = {"running": {"startedAt": started}}
    found["status"]["containerStatuses"] = [{"name": "engine", "state": state, **container}]
    healthy = "True" if container.get("ready") else "False"
    found["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "lastTransitionTime": unready},
        {"type": "ContainersReady", "status": healthy},
    ]
    return found


KILLED = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": "x"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


@pytest.mark.parametrize(
    ("there", "reason", "words"),
    [
        (running(BEGUN, BEGUN), "Starting", "0 of 1 pod ready."),
        (running(LATER, BEGUN), "Starting", "0 of 1 pod ready."),
        (running(BEGUN, LATER), "PodFailing", "was ready, and no longer answers its readiness"),
        (running(BEGUN, LATER, ready=True), "PodFailing", "its node 'node-a' no longer reports"),
        (
            running(LATER, BEGUN, lastState=KILLED),
            "Starting",
            "was started again after its container ended with OOMKilled (exit code 137).",
        ),
        (
            running(BEGUN, LATER, state=BACK_OFF, lastState=KILLED),
            "PodFailing",
            "back-off 10s. Its container ended with OOMKilled (exit code 137).",
        ),
        (
            {**pod(), "metadata": {**pod()["metadata"], "deletionTimestamp": LATER}},
            "Starting",
            "Pod engine-0 is being terminated.",
        ),
    ],
    ids=["new", "started again", "hanging", "its node lost", "killed", "crashing", "going"],
)
async def test_a_pod_that_is_not_ready_says_why(there: Manifest, reason: str, words: str) -> None:
    """One that starts is told from one that was ready and no longer is."""
    cluster = EngineCluster(there, there=1)
    await cluster.look()
    assert cluster.said[0] == reason
    assert words in cluster.said[1]
