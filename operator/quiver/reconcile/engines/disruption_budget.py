"""The PodDisruptionBudget of a VectorEngine without storage: no pod of it is evicted."""

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.reconcile.engines.workload import labels_of, owned


def disruption_budget_for(engine: VectorEngine) -> Manifest:
    """Return the PodDisruptionBudget's manifest.

    An eviction would lose the vectors of the pod. With storage a pod only moves: it needs none.
    """
    spec: Manifest = {"maxUnavailable": 0, "selector": {"matchLabels": labels_of(engine)}}
    return owned(engine, "policy/v1", "PodDisruptionBudget", spec)
