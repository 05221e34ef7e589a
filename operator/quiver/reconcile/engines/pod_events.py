"""Reads in Events why Kubernetes does not create an engine's pods, or does not bind their volumes.

The controllers of StatefulSets and of volumes say it nowhere else. Events are read only while a pod
is missing or waits for its volume, and they are not watched.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import NamedTuple

from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import (
    PERSISTENT_VOLUME_CLAIM,
    STATEFUL_SET,
    Key,
    Manifest,
)
from quiver.domain.manifests import uid_of
from quiver.domain.possession import is_part_of
from quiver.domain.text import one_line
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects, ReportedEvent
from quiver.reconcile.engines.workload import volume_claim_of
from quiver.reconcile.refusals import words_of

_CREATION = {"FailedCreate": True, "SuccessfulCreate": False}
_BINDING = {"ProvisioningFailed": True, "FailedBinding": True, "ExternalProvisioning": True}
"""The Events that count, by reason, and whether they say what is wrong. The latest decides."""
WORDS = 600
"""Characters of an Event's note. Whoever may create Events in the namespace can write one."""


class PodEvents(NamedTuple):
    """Why a pod of the engine could not be created, and why the volume of the first pod that waits
    for one is not bound. None where Events do not say.
    """

    refusal: str | None = None
    volume: str | None = None


NO_EVENTS = PodEvents()


def lacks_pods(engine: VectorEngine, stateful_set: Manifest | None) -> bool:
    """Tell whether the controller of the engine's StatefulSet has created fewer pods than it shall,
    as far as it has seen what it shall.
    """
    if stateful_set is None or not is_part_of(stateful_set, engine.metadata.uid):
        return False
    status, wanted = stateful_set.get("status", {}), stateful_set["spec"].get("replicas", 0)
    is_seen = status.get("observedGeneration") == stateful_set["metadata"].get("generation")
    return is_seen and bool(status.get("replicas", wanted) < wanted)


async def pod_events(
    engine: VectorEngine, stateful_set: Manifest | None, pods: Iterable[Pod], objects: Objects
) -> PodEvents:
    """Read what bears on the engine's pods. Raises: ApiError.

    An operator without the right to read Events looks after the engine all the same, and says so.
    """
    refusal = volume = None
    if stateful_set is not None and lacks_pods(engine, stateful_set):
        found = objects.reported_events(STATEFUL_SET, engine.metadata.key)
        refusal = await _latest(found, _CREATION, uid_of(stateful_set))
    waiting = next((pod for pod in pods if pod.waits_for_volume), None)
    if waiting is not None and engine.spec.storage is not None:
        claim = Key(engine.metadata.namespace, volume_claim_of(waiting.metadata.name))
        volume = await _latest(objects.reported_events(PERSISTENT_VOLUME_CLAIM, claim), _BINDING)
    return PodEvents(refusal, volume)


async def _latest(
    reading: Awaitable[Sequence[ReportedEvent]], reasons: Mapping[str, bool], uid: str | None = None
) -> str | None:
    """Return what the latest of the Events with these reasons says is wrong; with `uid`, of those
    about that object.
    """
    try:
        events = await reading
    except ApiRefused as error:
        return f"the Events that say why cannot be read: {words_of(error)}"
    counting = (e for e in events if e.reason in reasons and uid in (None, e.uid))
    latest = next(counting, None)
    if latest is None or not reasons[latest.reason]:
        return None
    return one_line(latest.note, WORDS).rstrip(".") or None
