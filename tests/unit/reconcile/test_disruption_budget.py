"""When an engine's PodDisruptionBudget is applied and left alone."""

import copy
from typing import Any

import msgspec
import pytest

from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import POD_DISRUPTION_BUDGET, VECTOR_ENGINE, Key, Manifest
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.decide import Decision, decide
from quiver.reconcile.engines.disruption_budget import disruption_budget_for
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.engines.workload import labels_of, service_for, stateful_set_for
from quiver.reconcile.report import Reporter
from support.builders import INSTALLATION, NAMESPACE, engine, external
from support.fake_cluster import Cluster

PARSED = msgspec.convert(engine(spec={"replicas": 0}), VectorEngine)
KEY = Key(NAMESPACE, "engine")


def decided(live: Manifest | None) -> Decision:
    """Decide about an engine of no pods and no storage that has all else."""
    stateful_set = stateful_set_for(PARSED, image=INSTALLATION.engine_image, replicas=0)
    stateful_set["metadata"]["generation"] = 1
    stateful_set["status"] = {"observedGeneration": 1}
    found = Gathered(
        engine=PARSED,
        operator_pods=INSTALLATION.operator_pods,
        service=service_for(PARSED),
        stateful_set=stateful_set,
        disruption_budget=live,
    )
    return decide(found, INSTALLATION.engine_image)


def stored(**spec: Any) -> Manifest:
    """Return the engine's budget, with another spec in part."""
    live = copy.deepcopy(disruption_budget_for(PARSED))
    live["spec"].update(spec)
    return live


def test_no_pod_of_the_engine_may_be_evicted() -> None:
    """All of its pods are selected, and none may be away."""
    spec = disruption_budget_for(PARSED)["spec"]
    assert spec == {"maxUnavailable": 0, "selector": {"matchLabels": labels_of(PARSED)}}


def test_one_that_is_as_it_should_be_is_not_written() -> None:
    """What Kubernetes notes in its status is no difference."""
    assert decided({**stored(), "status": {"disruptionsAllowed": 0}}).manifests == ()


@pytest.mark.parametrize(
    "live",
    [
        None,
        stored(maxUnavailable=1),
        stored(selector={"matchLabels": {"a": "b"}}),
        stored(selector={"matchLabels": {**labels_of(PARSED), "a": "b"}}),
        stored(unhealthyPodEvictionPolicy="AlwaysAllow"),
    ],
    ids=["gone", "one may go", "other pods", "fewer pods", "those not ready may go"],
)
def test_one_that_lets_pods_go_is_put_right(live: Manifest | None) -> None:
    """The engine is Ready meanwhile: no pod restarts for it."""
    decision = decided(live)
    assert decision.manifests == ((POD_DISRUPTION_BUDGET, disruption_budget_for(PARSED)),)
    assert decision.verdict[:2] == (State.READY, Reason.SCALED_TO_ZERO)


def test_one_of_another_owner_is_left_alone_and_named() -> None:
    """The engine needs the name, and applies nothing until it is free."""
    live = stored(maxUnavailable=1)
    del live["metadata"]["annotations"]
    decision = decided(live)
    assert (decision.manifests, decision.deletions) == ((), ())
    assert decision.verdict[:2] == (State.STALLED, Reason.NAME_TAKEN)
    assert "A PodDisruptionBudget 'engine'" in decision.verdict.message
    assert "Remove or rename it" in decision.verdict.message


@pytest.mark.parametrize(
    "manifest", [engine(spec={"storage": {"size": "1Gi"}}), external("10.0.0.9:19530")]
)
async def test_an_engine_that_loses_nothing_has_none(manifest: Manifest) -> None:
    """One with storage lets its pods move; and a budget of its name is nobody's business."""
    cluster = Cluster(manifest)
    reporter = Reporter(cluster.objects, cluster, cluster)
    reconciler = EngineReconciler(
        cluster.objects,
        cluster.engines,
        cluster.dialling,
        cluster.identities,
        reporter,
        INSTALLATION,
    )
    await reconciler.reconcile(KEY)
    assert [call for call in cluster.api.calls if "PodDisruptionBudget" in call] == []
    assert "defaultImage" not in cluster.get("engine", VECTOR_ENGINE)["status"]
