"""Decides what to apply for a VectorEngine, and its verdict. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from quiver.domain.conditions import State, Verdict
from quiver.domain.kubernetes_types import Kind, Manifest
from quiver.domain.outdated_pods import OutdatedPods
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.answers import GUARDS
from quiver.reconcile.engines.credentials_refused import credentials_refused
from quiver.reconcile.engines.default_image import default_image
from quiver.reconcile.engines.deletion import deletion_blocked, left_parts, own_parts
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.impossible import impossible
from quiver.reconcile.engines.parts import (
    is_stale,
    parts_of,
    taken_name,
    unwanted_network_policy,
    with_changes,
)
from quiver.reconcile.engines.pod_events import lacks_pods
from quiver.reconcile.engines.pods import unready
from quiver.reconcile.engines.revisions import Rollout, revisions_of
from quiver.reconcile.engines.rollout import (
    is_held,
    outdated_pods,
    rollout_for,
    told_of,
    wants_turn,
)
from quiver.reconcile.engines.scaling import replicas_to_keep, scale_down_blocked
from quiver.reconcile.engines.workload import stateful_set_for, template_for

NAMED_ENDPOINTS = 8
SEE_OUTDATED = "An upgrade of its pods waits: see the condition PodsOutdated."


@dataclass(frozen=True)
class Decision:
    """What to apply and to delete, and the verdict to report.

    `deletions` are live objects. `retry` requeues the engine without a change. `outdated` is why
    pods keep an earlier template. `is_held` tells whether the StatefulSet may have one that no pod
    is to get yet, and `wants_turn` whether that waits for the engine's turn. `is_to_go` lets the
    engine go after the deletions.
    """

    verdict: Verdict
    manifests: tuple[tuple[Kind, Manifest], ...] = ()
    deletions: tuple[tuple[Kind, Manifest], ...] = ()
    retry: bool = False
    outdated: OutdatedPods | None = None
    is_held: bool = False
    wants_turn: bool = False
    is_to_go: bool = False


def decide(gathered: Gathered, installed_image: str) -> Decision:
    if gathered.engine.metadata.deleting:
        return _deleting(gathered, installed_image)
    return _standing(gathered, installed_image)


def _deleting(gathered: Gathered, installed_image: str) -> Decision:
    """While collections keep the engine, its pods, and all that goes with them, are as before."""
    blocked = deletion_blocked(gathered)
    if blocked is not None:
        standing = _standing(gathered, installed_image)
        # That a collection cannot be dropped is no change that has the engine reconciled.
        retry = standing.retry or gathered.is_namespace_going
        return replace(standing, verdict=blocked, retry=retry)
    verdict = Verdict.reconciling(Reason.DROPPING, "The engine is being deleted.")
    return Decision(verdict, deletions=own_parts(gathered), is_to_go=True)


def _standing(gathered: Gathered, installed_image: str) -> Decision:
    verdict = impossible(gathered.engine)
    if verdict is not None:
        return Decision(verdict)
    if gathered.engine.spec.external is not None:
        return _external(gathered)
    return _foreign(gathered) or _managed(gathered, installed_image)


def _external(gathered: Gathered) -> Decision:
    external, access = gathered.engine.spec.external, gathered.access
    assert external is not None
    if access.trouble is not None:
        return Decision(access.trouble, retry=True)
    login_refused = credentials_refused(gathered)
    if login_refused is not None:
        return Decision(login_refused, retry=True)
    refusals = {e: d.refusal for e, d in access.endpoints.items() if d.refusal is not None}
    troubles = {**gathered.looks.silent, **{e: verdict.message for e, verdict in refusals.items()}}
    total = len(external.endpoints)
    if not troubles:
        answering = Verdict.ready(f"{_count(total, 'endpoint')}, all of which answer.")
        return Decision(_unlisted(gathered, external.endpoints) or answering)
    reasons = "; ".join(_each(troubles))
    message = f"{len(troubles)} of {_count(total, 'endpoint')} cannot be used: {reasons}"
    if any(verdict.state is State.STALLED for verdict in refusals.values()):
        return Decision(Verdict.stalled(Reason.ENDPOINT_REFUSED, message), retry=True)
    return Decision(Verdict.reconciling(Reason.ENGINE_UNREACHABLE, message), retry=True)


def _each(troubles: Mapping[str, str]) -> Iterator[str]:
    """Yield a phrase for each of the first endpoints: a condition has room for no more."""
    yield from (f"{name}: {why}" for name, why in sorted(troubles.items())[:NAMED_ENDPOINTS])
    if len(troubles) > NAMED_ENDPOINTS:
        yield f"and {len(troubles) - NAMED_ENDPOINTS} more"


def _foreign(gathered: Gathered) -> Decision | None:
    verdict = taken_name(gathered)
    if verdict is None:
        return None
    left = left_parts(gathered)
    return Decision(verdict, deletions=left, retry=bool(left))


def _managed(gathered: Gathered, installed_image: str) -> Decision:
    engine = gathered.engine
    replicas = replicas_to_keep(gathered)
    image = engine.spec.image or default_image(gathered, installed_image)
    rollout = rollout_for(gathered, template_for(engine, image), replicas)
    parts = parts_of(
        gathered, stateful_set_for(engine, image=image, replicas=replicas, rollout=rollout)
    )
    stale = tuple((part.kind, part.desired) for part in parts if is_stale(gathered, part))
    trouble = gathered.access.trouble or credentials_refused(gathered)
    is_converged = all(kind in GUARDS for kind, _ in stale)
    is_done = is_converged and _rolled_out(gathered.stateful_set, rollout)
    rolling = None if is_done else told_of(gathered, rollout)
    verdict = trouble or _verdict(gathered, replicas, rolling)
    if not stale:
        verdict = with_changes(verdict, parts)
    unwanted = unwanted_network_policy(gathered)
    outdated = outdated_pods(gathered, rollout, image)
    if verdict.state is State.READY and outdated is not None:
        verdict = verdict._replace(message=f"{verdict.message} {SEE_OUTDATED}")
    return Decision(
        verdict,
        stale,
        unwanted,
        retry=_is_to_be_looked_at_again(gathered) or bool(rolling),
        outdated=outdated,
        is_held=is_held(gathered, rollout),
        wants_turn=wants_turn(gathered, rollout),
    )


def _is_to_be_looked_at_again(gathered: Gathered) -> bool:
    """Tell whether what is in the way may change without a change of an object that is watched."""
    waits = any(pod.waits_for_volume for pod in gathered.pods)
    is_short = lacks_pods(gathered.engine, gathered.stateful_set)
    is_held_back = bool(gathered.unclaimed)
    is_not_let_in = gathered.access.trouble is not None or bool(gathered.looks.refused)
    return is_not_let_in or waits or is_short or is_held_back


def _verdict(gathered: Gathered, replicas: int, rolling: str | None) -> Verdict:
    """Return the verdict on the pods; `rolling` is what there is to say of a rollout, None if there
    is none.
    """
    blocked = scale_down_blocked(gathered)
    if blocked is not None:
        return blocked
    ready = sum(pod.ready for pod in gathered.pods)
    count = f"{ready} of {_count(replicas, 'pod')} ready."
    if rolling is not None:
        return unready(gathered, f"Rolling out: {count}{rolling}")
    if not ready == replicas == len(gathered.pods):
        return unready(gathered, count)
    if replicas == 0:
        return Verdict(State.READY, Reason.SCALED_TO_ZERO, "Scaled to zero: no pods.")
    return _unlisted(gathered, [pod.metadata.name for pod in gathered.pods]) or Verdict.ready(count)


def _unlisted(gathered: Gathered, members: Collection[str]) -> Verdict | None:
    """Return the verdict on members that refused to list their collections. It names one of them,
    whose refusal stands if any does: each refusal is a sentence of its own.
    """
    refusals = [(not why.retriable, m, why) for m, why in gathered.unlisted.items() if m in members]
    if not refusals:
        return None
    stands, member, why = min(refusals, key=lambda found: (not found[0], found[1]))
    message = (
        f"{len(refusals)} of {len(members)} members did not list their collections, so that Quiver"
        f" does not see there what is missing. {member}: {why}"
    )
    state = State.STALLED if stands else State.RECONCILING
    return Verdict(state, Reason.ENGINE_REFUSED, message)


def _rolled_out(stateful_set: Manifest | None, rollout: Rollout) -> bool:
    """Tell whether no pod is being replaced. An upgrade that waits keeps no engine from being
    ready.
    """
    if stateful_set is None or rollout.is_held:
        return stateful_set is not None
    revisions = revisions_of(stateful_set)
    return revisions is not None and revisions.are_alike


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
