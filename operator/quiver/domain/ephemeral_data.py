"""The condition DataEphemeral: an engine without storage holds collections."""

from datetime import datetime

from quiver.domain.conditions import timestamp
from quiver.domain.kubernetes_types import Condition, find_condition
from quiver.domain.reasons import Reason

DATA_EPHEMERAL = "DataEphemeral"
POD_FIELDS = (
    "image",
    "gpu",
    "resources",
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "imagePullSecrets",
    "podLabels",
    "podAnnotations",
    "priorityClassName",
    "runtimeClassName",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tls",
    "limits",
    "milvus",
)
"""Fields of the spec whose change replaces the pods; of limits, above 4096 on either side of it; of
milvus, segmentMaxSize.
"""
_MESSAGE = (
    "The engine has no spec.storage and holds collections: the vectors of a pod are in an "
    "emptyDir, and are lost with the pod. A pod is replaced when one of these fields changes: "
    f"{', '.join(POD_FIELDS)} (of limits a maxCollectionsAndPartitions above 4096, of milvus "
    "segmentMaxSize); when it is deleted; and when its node goes. spec.storage cannot be added "
    "later: to keep vectors, create a VectorEngine of another name with storage, make the "
    "collections there and insert the vectors again."
)
"""It counts nothing, so that the status is written when the condition comes and when it goes."""


def ephemeral_condition(
    at_risk: bool | None, previous: tuple[Condition, ...], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the condition if vectors are `at_risk`; None means that this is not known at present,
    and leaves it as it was.
    """
    before = find_condition(previous, DATA_EPHEMERAL)
    if at_risk is None:
        return () if before is None else (before,)
    if not at_risk:
        return ()
    since = before.last_transition_time if before is not None else None
    found = Condition(
        type=DATA_EPHEMERAL,
        status="True",
        reason=Reason.NO_STORAGE,
        message=_MESSAGE,
        last_transition_time=since or timestamp(now),
        observed_generation=generation,
    )
    return (found,)
