"""How many pods an engine keeps: those that the spec asks for, and those with collections. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from quiver.domain.conditions import Verdict
from quiver.domain.possession import is_part_of
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.gather import Gathered, Held
from quiver.reconcile.engines.unclaimed import Unclaimed

NAMED = 8
"""Pods, and collections, that a message names."""


def highest_replicas(gathered: Gathered) -> int:
    """Return the highest number of replicas that the spec ever asked for. Until the status records
    it, the StatefulSet's number counts.
    """
    engine, live = gathered.engine, gathered.stateful_set
    known = engine.status.highest_replicas
    if known is None and live is not None and is_part_of(live, engine.metadata.uid):
        known = live["spec"].get("replicas", 0)
    return max(known or 0, engine.spec.replicas)


def replicas_to_keep(gathered: Gathered) -> int:
    """Return the number of replicas that keeps each pod that holds, or may hold, collections."""
    in_use = [held.ordinal + 1 for held in _blocking(gathered)]
    in_use += [pod.ordinal + 1 for pod in gathered.unclaimed]
    return max(gathered.engine.spec.replicas, *in_use, 0)


def scale_down_blocked(gathered: Gathered) -> Verdict | None:
    """Return the verdict while pods that the spec no longer asks for hold collections."""
    blocking, unclaimed = _blocking(gathered), [p for p in gathered.unclaimed if p.names]
    silent = [pod for pod in gathered.unclaimed if pod.silence is not None]
    found = [
        *_told_of_claimed(blocking, gathered),
        *_told_of_unclaimed(unclaimed, gathered),
        *_told_of_silent(silent, gathered),
    ]
    if not found:
        return None
    message = f"Not scaled down to {gathered.engine.spec.replicas}: {' '.join(found)}"
    if unclaimed or not all(held.is_going for held in blocking):
        return Verdict.stalled(Reason.SCALE_DOWN_BLOCKED, message)
    return Verdict.reconciling(Reason.SCALE_DOWN_BLOCKED, message)


def _told_of_claimed(blocking: Sequence[Held], gathered: Gathered) -> Iterator[str]:
    if not blocking:
        return
    collections = some([str(held.collection) for held in blocking])
    yield f"{_holding('pod', blocking, gathered)} collections: {collections}."
    if all(held.is_going for held in blocking):
        yield "They are being deleted. Quiver scales down once they are gone."
    else:
        yield "Delete these VectorCollections, or set replicas back."


def _told_of_unclaimed(pods: Sequence[Unclaimed], gathered: Gathered) -> Iterator[str]:
    if not pods:
        return
    names = some([name for pod in pods for name in pod.names])
    holding = _holding("Pod", pods, gathered)
    yield f"{holding} collections that no VectorCollection claims: {names}."
    yield "Drop them there, or set replicas back."


def _told_of_silent(pods: Sequence[Unclaimed], gathered: Gathered) -> Iterator[str]:
    for pod in pods[:1]:
        name = f"{gathered.engine.metadata.name}-{pod.ordinal}"
        more = f" (so do {len(pods) - 1} more)" if len(pods) > 1 else ""
        yield (
            f"Pod {name} does not say which collections it holds{more}: {pod.silence}. Set "
            "replicas back, or wait until it does. If it never will, delete the pod: one that does "
            f"not get ready anew is scaled away. {_LEAVES[gathered.engine.spec.is_ephemeral]}"
        )


_LEAVES = {True: "Its vectors are lost with it.", False: "Its volume stays."}


def _holding(noun: str, pods: Iterable[Held | Unclaimed], gathered: Gathered) -> str:
    ordinals = sorted({pod.ordinal for pod in pods})
    names = some([f"{gathered.engine.metadata.name}-{ordinal}" for ordinal in ordinals])
    return f"{noun} {names} holds" if len(ordinals) == 1 else f"{noun}s {names} hold"


def _blocking(gathered: Gathered) -> list[Held]:
    """Return the collections on pods beyond the spec's replicas. On a pod that the spec never asked
    for there is none, whatever a claim says.
    """
    highest = highest_replicas(gathered)
    return [held for held in gathered.beyond if held.ordinal < highest]


def some(names: Collection[str]) -> str:
    """Return the first names, and how many more there are."""
    named = list(names)[:NAMED]
    if len(names) > NAMED:
        named.append(f"and {len(names) - NAMED} more")
    return ", ".join(named)
