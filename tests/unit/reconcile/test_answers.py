"""What the API server makes of a manifest is not applied again and again."""

from typing import Any

import pytest

from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.reconcile.engines import answers
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.report import Reporter
from support.builders import INSTALLATION, NAMESPACE, engine, pod
from support.fake_cluster import Cluster

ENGINE = Key(NAMESPACE, "engine")
ROLLED_OUT = {"observedGeneration": 1, "updateRevision": "r", "currentRevision": "r"}
CHANGED: Manifest = {"spec": {"replicas": 1, "serviceName": "theirs\n"}}


STORED: Manifest = {"storage": {"size": "1Gi"}}
GUARDED: Manifest = {"networkPolicy": {}}
OPENED: Manifest = {"spec": {"ingress": [{}]}}


class ChangingCluster(Cluster):
    """A cluster whose API server changes what is applied for an engine."""

    def __init__(self, change: Manifest = CHANGED, spec: Manifest | None = None) -> None:
        super().__init__(engine(spec={**STORED, **(spec or {})}), pod())
        self.api.mutation = {"status": ROLLED_OUT, **change}
        reporter = Reporter(self.objects, self, self)
        self.engine_reconciler = EngineReconciler(
            self.objects, self.engines, self.dialling, self.identities, reporter, INSTALLATION
        )

    async def look(self) -> list[str]:
        """Reconcile once; return what was applied."""
        self.api.calls.clear()
        await self.engine_reconciler.reconcile(ENGINE)
        return [call for call in self.api.calls if call.startswith("apply")]

    def ready(self) -> Any:
        ready, *_ = self.get("engine", VECTOR_ENGINE)["status"]["conditions"]
        return ready

    def edit(self, spec: Manifest, kind: Kind = STATEFUL_SET) -> None:
        """Somebody edits the StatefulSet, or another part of the engine."""
        found = self.get("engine", kind)
        self.add({**found, "spec": {**found["spec"], **spec}})


async def test_what_was_changed_on_admission_is_applied_once() -> None:
    """The engine is Ready at once, and says what was changed, on one line."""
    cluster = ChangingCluster()
    assert await cluster.look() == ["apply Service engine", "apply StatefulSet engine"]
    assert cluster.ready()["status"] == "True"
    told = "changes what Quiver applies: StatefulSet 'engine': spec.serviceName is 'theirs\\n', not"
    assert told in cluster.ready()["message"]
    assert await cluster.look() == []
    assert cluster.ready()["status"] == "True"


async def test_a_workload_that_is_as_applied_is_not_said_to_be_changed() -> None:
    """Nothing is remembered of it."""
    cluster = ChangingCluster({})
    await cluster.look()
    assert cluster.ready()["message"] == "1 of 1 pod ready."
    assert await cluster.look() == []


async def test_what_somebody_edits_is_applied_again() -> None:
    """It differs in another way than the API server's answer."""
    cluster = ChangingCluster()
    await cluster.look()
    cluster.edit({"replicas": 7})
    assert await cluster.look() == ["apply StatefulSet engine"]
    assert cluster.get("engine", STATEFUL_SET)["spec"]["replicas"] == 1
    assert await cluster.look() == []


async def test_a_change_of_the_spec_is_applied() -> None:
    """Once, and once more when its rollout is over: the answer to it is remembered in place of the
    one before.
    """
    cluster = ChangingCluster()
    await cluster.look()
    status = cluster.get("engine", VECTOR_ENGINE)["status"]
    cluster.add({**engine(spec={**STORED, "image": "image:2"}), "status": status})
    assert await cluster.look() == ["apply StatefulSet engine"]
    assert await cluster.look() == ["apply StatefulSet engine"]
    assert await cluster.look() == []


async def test_a_policy_that_is_gone_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer counts for ten minutes, and the engine is Ready all along."""
    monkeypatch.setattr(answers, "AGAIN_S", 0.0)
    cluster = ChangingCluster()
    await cluster.look()
    cluster.api.mutation = {"status": ROLLED_OUT}
    assert await cluster.look() == ["apply StatefulSet engine"]
    assert cluster.ready()["message"] == "1 of 1 pod ready."
    assert await cluster.look() == []


async def test_a_network_policy_that_was_changed_on_admission_is_applied_once() -> None:
    """The engine says what was changed. What somebody edits is taken back all the same."""
    cluster = ChangingCluster(OPENED, GUARDED)
    assert "apply NetworkPolicy engine" in await cluster.look()
    assert "NetworkPolicy 'engine': spec.ingress is [{}]" in cluster.ready()["message"]
    assert await cluster.look() == []
    cluster.edit({"podSelector": {"matchLabels": {"a": "b"}}}, NETWORK_POLICY)
    assert await cluster.look() == ["apply NetworkPolicy engine"]
    assert await cluster.look() == []


async def test_a_network_policy_of_many_peers_is_applied_once() -> None:
    """Its spec has more bytes than the cache keeps of one. An edit of it is seen all the same."""
    labels = {f"{number}{'a' * 60}": "x" * 63 for number in range(8)}
    expressions = [
        {"key": f"k{number}", "operator": "In", "values": [f"{value:063}" for value in range(16)]}
        for number in range(8)
    ]
    selector = {"matchLabels": labels, "matchExpressions": expressions}
    peers = [{"podSelector": selector, "namespaceSelector": selector}] * 16
    cluster = ChangingCluster({}, {"networkPolicy": {"peers": peers}})
    assert "apply NetworkPolicy engine" in await cluster.look()
    assert await cluster.look() == []
    assert cluster.ready()["message"] == "1 of 1 pod ready."
    ingress = cluster.get("engine", NETWORK_POLICY)["spec"]["ingress"]
    cluster.edit({"ingress": [*ingress, {}]}, NETWORK_POLICY)
    assert await cluster.look() == ["apply NetworkPolicy engine"]
    assert await cluster.look() == []
