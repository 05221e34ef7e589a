"""Which pods of an engine may be replaced for a new template, and what is said meanwhile. Pure.

The partition of the StatefulSet is above all pods: its controller replaces none by itself, and
creates those that go in the revision that they had. It is lowered at once for what a user changes
in the spec. What an upgrade of the operator changes waits until somebody begins it. When no pod is
left to replace, it is raised again.
"""

from quiver.domain.engines import Pod
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import ordinal_of
from quiver.domain.outdated_pods import UPGRADE_ANNOTATION, OutdatedPods, standing
from quiver.domain.reasons import Reason
from quiver.domain.text import one_line
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.pods import trouble_of
from quiver.reconcile.engines.revisions import (
    HELD,
    REVISION_LABEL,
    Revisions,
    Rollout,
    held_rollout,
    revisions_of,
    rollout_in,
)

_WORDS = 1000
"""Characters of what Kubernetes says of a pod."""


def rollout_for(gathered: Gathered, template: Manifest, replicas: int) -> Rollout:
    """Return the rollout of a template."""
    held, live = held_rollout(gathered.engine.spec, template), gathered.stateful_set
    before = None if live is None else rollout_in(live)
    if before is None:
        return held
    if before.fields != held.fields:
        return held._replace(partition=_next(gathered, replicas, None))
    if before.template != held.template:
        return held
    return held._replace(partition=_partition(gathered, before, replicas))


def _partition(gathered: Gathered, before: Rollout, replicas: int) -> int:
    revisions = _revisions(gathered, before)
    if revisions is None:
        return before.partition
    if not _is_behind(gathered, revisions):
        return HELD
    if before.is_held and not _begins(gathered, revisions):
        return HELD
    return min(before.partition, _next(gathered, replicas, revisions.update))


def _begins(gathered: Gathered, revisions: Revisions) -> bool:
    asked = gathered.engine.metadata.annotations.get(UPGRADE_ANNOTATION)
    if asked == revisions.update or gathered.may_upgrade:
        return True
    # Back to the template before: it mends what a rollout has broken, and touches nothing else.
    do_not_start = all(pod.trouble is not None for pod in _of_others(gathered, revisions))
    return revisions.are_alike and do_not_start


def _revisions(gathered: Gathered, rollout: Rollout) -> Revisions | None:
    """Return the revisions of the live StatefulSet, if they speak of the template."""
    live = gathered.stateful_set
    before = None if live is None else rollout_in(live)
    if live is None or before is None or before.template != rollout.template:
        return None
    return revisions_of(live)


def _is_behind(gathered: Gathered, revisions: Revisions) -> bool:
    return not revisions.are_alike or bool(_of_others(gathered, revisions))


def _of_others(gathered: Gathered, revisions: Revisions) -> list[Pod]:
    """Return the pods of another revision than they are to have."""
    return [p for p in gathered.pods if _revision_of(p) not in (None, revisions.update)]


def _revision_of(pod: Pod) -> str | None:
    return pod.metadata.labels.get(REVISION_LABEL)


def _next(gathered: Gathered, replicas: int, revision: str | None) -> int:
    """Return the ordinal of the pod to replace next, from the highest on; or of one that was
    replaced, and is not ready or has collections that are not. 0 if there is none.
    """
    engine = gathered.engine.metadata.name
    pods = {ordinal_of(pod.metadata.name, engine): pod for pod in gathered.pods}
    old = {o for o, p in pods.items() if _revision_of(p) != revision}
    for ordinal in reversed(range(replicas)):
        if ordinal in old:
            # Kubernetes replaces none that works while another does not: that one comes first.
            below = (o for o in range(ordinal) if o in old and not pods[o].ready)
            return min(below, default=ordinal)
        pod = pods.get(ordinal)
        if pod is None or not pod.ready or ordinal in gathered.waited_for:
            return ordinal
    return 0


def outdated_pods(gathered: Gathered, rollout: Rollout, image: str) -> OutdatedPods | None:
    """Return why pods keep an earlier template, if they do for longer than a rollout takes."""
    live = gathered.stateful_set
    if live is None or not live["spec"].get("replicas"):
        return None
    revisions = _revisions(gathered, rollout)
    if revisions is None:
        return standing(gathered.engine.status)
    if not _is_behind(gathered, revisions):
        return None
    if rollout.is_held:
        return _waiting(gathered, revisions, image)
    return _stopped(gathered, revisions)


def wants_turn(gathered: Gathered, rollout: Rollout) -> bool:
    """Tell whether an upgrade waits that is to begin by itself: all pods are ready, but for those
    that a rollout before has broken.
    """
    spec, revisions = gathered.engine.spec, _revisions(gathered, rollout)
    if spec.upgrade_policy != "Automatic" or spec.is_ephemeral or not rollout.is_held:
        return False
    if revisions is None or not _is_behind(gathered, revisions):
        return False
    if len(gathered.pods) < spec.replicas:
        return False
    kept = [p for p in gathered.pods if _revision_of(p) == revisions.current]
    return all(pod.ready for pod in kept)


def _waiting(gathered: Gathered, revisions: Revisions, image: str) -> OutdatedPods:
    meta, spec = gathered.engine.metadata, gathered.engine.spec
    present = gathered.engine.status.image
    what = f"their image is {present!r}, and the new one {image!r}"
    if present in (None, image):
        what = f"their template has changed, their image is {image!r}"
    command = (
        f"kubectl annotate --overwrite -n {meta.namespace} veng/{meta.name} "
        f"{UPGRADE_ANNOTATION}={revisions.update}"
    )
    message = (
        f"An upgrade of Quiver, or another setting of it, changes the pods: {what}. "
        f"{_beginning(gathered)} To begin now: `{command}`. The pods are then replaced one by one"
        f"{', without their vectors' if spec.is_ephemeral else ''}. A change of the spec that "
        "replaces pods brings it along."
    )
    return OutdatedPods(Reason.UPGRADE_WAITING, message, revisions.update)


def _beginning(gathered: Gathered) -> str:
    spec = gathered.engine.spec
    if spec.upgrade_policy == "Manual":
        return "No pod is replaced until you begin, since spec.upgradePolicy is Manual."
    if spec.is_ephemeral:
        return "No pod is replaced until you begin, since the engine has no spec.storage."
    return "It begins by itself once all pods are ready and no other engine is being upgraded."


def _stopped(gathered: Gathered, revisions: Revisions) -> OutdatedPods | None:
    new = [p for p in gathered.pods if _revision_of(p) == revisions.update]
    for pod in new:
        verdict = None if pod.ready else trouble_of(pod, gathered)
        if verdict is not None:
            why = one_line(verdict.message, _WORDS).rstrip(".")
            message = (
                f"{len(new)} of {len(gathered.pods)} pods have the new template. The others stay "
                f"as they are, since this one is not ready: {why}. The rollout goes on once it is. "
                "Else correct the spec, or set it back. If an upgrade of Quiver brought the "
                "template, name the image before in spec.image, or roll Quiver back."
            )
            return OutdatedPods(Reason.ROLLOUT_STOPPED, message)
    return None


def is_held(gathered: Gathered, rollout: Rollout) -> bool:
    """Tell whether the StatefulSet may have a template that its pods are not to get yet."""
    revisions = _revisions(gathered, rollout)
    return rollout.is_held and (revisions is None or _is_behind(gathered, revisions))


def told_of(gathered: Gathered, rollout: Rollout) -> str:
    """Return a sentence on what a rollout waits for, though all pods are ready; or nothing."""
    if not rollout.partition or rollout.partition not in gathered.waited_for:
        return ""
    if not all(pod.ready for pod in gathered.pods):
        return ""
    pod = f"{gathered.engine.metadata.name}-{rollout.partition}"
    return f" The next pod follows once the collections on {pod} are ready."
