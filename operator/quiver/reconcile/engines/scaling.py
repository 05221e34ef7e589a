"""How many pods an engine keeps: those that the spec asks for, and those with collections. Pure."""

from collections.abc import Collection

from quiver.domain.conditions import Verdict
from quiver.domain.manifests import owner_uids
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.gather import Gathered, Held

NAMED = 8
"""Pods, and collections, that a message names."""


def highest_replicas(gathered: Gathered) -> int:
    """Return the highest number of replicas that the spec ever asked for. Until the status records
    it, the StatefulSet's number counts.
    """
    engine, live = gathered.engine, gathered.stateful_set
    known = engine.status.highest_replicas
    if known is None and live is not None and engine.metadata.uid in owner_uids(live):
        known = live["spec"].get("replicas", 0)
    return max(known or 0, engine.spec.replicas)


def replicas_to_keep(gathered: Gathered) -> int:
    """Return the number of replicas that keeps each pod that holds collections."""
    in_use = (held.ordinal + 1 for held in _blocking(gathered))
    return max(gathered.engine.spec.replicas, *in_use, 0)


def scale_down_blocked(gathered: Gathered) -> Verdict | None:
    """Return the verdict while pods hold collections that the spec no longer asks for."""
    blocking, engine = _blocking(gathered), gathered.engine
    if not blocking:
        return None
    ordinals = sorted({held.ordinal for held in blocking})
    pods = _some([f"{engine.metadata.name}-{ordinal}" for ordinal in ordinals])
    holding = f"pod {pods} holds" if len(ordinals) == 1 else f"pods {pods} hold"
    collections = _some([str(held.collection) for held in blocking])
    told = f"Not scaled down to {engine.spec.replicas}: {holding} collections: {collections}."
    if all(held.is_going for held in blocking):
        message = f"{told} They are being deleted. Quiver scales down once they are gone."
        return Verdict.reconciling(Reason.SCALE_DOWN_BLOCKED, message)
    message = f"{told} Delete these VectorCollections, or set replicas back."
    return Verdict.stalled(Reason.SCALE_DOWN_BLOCKED, message)


def _blocking(gathered: Gathered) -> list[Held]:
    """Return the collections on pods beyond the spec's replicas. On a pod that the spec never asked
    for there is none, whatever a claim says.
    """
    highest = highest_replicas(gathered)
    return [held for held in gathered.beyond if held.ordinal < highest]


def _some(names: Collection[str]) -> str:
    named = list(names)[:NAMED]
    if len(names) > NAMED:
        named.append(f"and {len(names) - NAMED} more")
    return ", ".join(named)
