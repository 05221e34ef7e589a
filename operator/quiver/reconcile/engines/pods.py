"""The verdict on an engine whose pods are not all ready. Pure."""

from quiver.domain.conditions import Verdict
from quiver.domain.engines import ContainerTerminated, Pod
from quiver.domain.reasons import Reason
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.workload import volume_claim_of


def unready(gathered: Gathered, count: str) -> Verdict:
    """Return what the first pod with a trouble waits for; else why there are too few pods, or that
    they are starting. `count` is a sentence.
    """
    for pod in gathered.pods:
        verdict = trouble_of(pod, gathered)
        if verdict is not None:
            return verdict
    if gathered.events.refusal is not None:
        message = (
            f"{count} Kubernetes does not create the others: {gathered.events.refusal}. It tries "
            "again, at longer and longer intervals."
        )
        return Verdict.reconciling(Reason.POD_REFUSED, message)
    sentences = [count, *(told for told in map(_beginning_of, gathered.pods) if told is not None)]
    return Verdict.reconciling(Reason.STARTING, " ".join(sentences))


def trouble_of(pod: Pod, gathered: Gathered) -> Verdict | None:
    """Return what keeps a pod from being ready, if Kubernetes says so."""
    name = pod.metadata.name
    if pod.waits_for_volume:
        return _without_volume(pod, gathered)
    if pod.trouble is not None:
        reason, message = pod.trouble
        if reason == "Unschedulable":
            message = f"Pod {name} waits for a node: {message}"
            return Verdict.reconciling(Reason.UNSCHEDULABLE, message)
        message = f"Pod {name} does not start: {reason}: {message}"
        end = _last_end(pod)
        if end is not None:
            message = f"{message.rstrip('.')}. Its container ended with {_told(end)}."
        return Verdict.reconciling(Reason.POD_FAILING, message)
    if pod.is_silent:
        message = (
            f"Pod {name} was ready, and no longer answers its readiness probe. If that lasts, its "
            "liveness probe has Kubernetes restart it; look at its events and logs."
        )
        return Verdict.reconciling(Reason.POD_FAILING, message)
    if pod.is_on_a_lost_node:
        message = (
            f"Pod {name} was ready, and its node {pod.spec.node_name!r} no longer reports. Look at "
            "the node: Kubernetes replaces the pod only once the node is back or deleted."
        )
        return Verdict.reconciling(Reason.POD_FAILING, message)
    return None


def _without_volume(pod: Pod, gathered: Gathered) -> Verdict:
    storage, scheduler = gathered.engine.spec.storage, pod.trouble
    class_name = storage.class_name if storage is not None else None
    of = f"StorageClass {class_name!r}" if class_name is not None else "the default StorageClass"
    why = gathered.events.volume or (scheduler[1].rstrip(".") if scheduler is not None else "")
    message = (
        f"Pod {pod.metadata.name} waits for its volume. PersistentVolumeClaim "
        f"{volume_claim_of(pod.metadata.name)!r} of {of} is not bound: {why}. `kubectl get "
        "storageclass` lists the classes that there are."
    )
    return Verdict.reconciling(Reason.VOLUME_NOT_BOUND, message)


def _beginning_of(pod: Pod) -> str | None:
    """Return what is worth knowing of a pod that is about to come or to go; None for nothing."""
    name, end = pod.metadata.name, _last_end(pod)
    if pod.metadata.deleting:
        return f"Pod {name} is being terminated."
    if end is not None and not pod.ready:
        return f"Pod {name} was started again after its container ended with {_told(end)}."
    return None


def _last_end(pod: Pod) -> ContainerTerminated | None:
    ends = (container.last_end for container in pod.status.container_statuses)
    return next(filter(None, ends), None)


def _told(end: ContainerTerminated) -> str:
    return f"{end.reason or 'an error'} (exit code {end.exit_code})"
