"""What the status says of an object that Quiver has let go while finalizers of others hold it.

It is the last word about its collection: Quiver does nothing more for the object.
"""

from datetime import datetime

from msgspec.structs import replace

from quiver.domain.collections import VectorCollection
from quiver.domain.conditions import Verdict, conditions_for
from quiver.domain.data_loss import unacknowledged
from quiver.domain.kubernetes_types import Manifest, find_condition
from quiver.domain.reasons import Reason
from quiver.reconcile.report import status_patch


def released(what: str) -> Verdict:
    """Return the verdict; `what` became of the collection is a sentence."""
    return Verdict.reconciling(Reason.RELEASED, f"{what} Finalizers of others hold the object.")


def recorded_release(collection: VectorCollection) -> Verdict | None:
    """Return the verdict that the status has, if it has one of a release."""
    ready = find_condition(collection.status.conditions, "Ready")
    if ready is None or ready.reason != Reason.RELEASED:
        return None
    return Verdict.reconciling(Reason.RELEASED, ready.message)


def release_patch(collection: VectorCollection, verdict: Verdict, now: datetime) -> Manifest:
    """Return the merge patch of the status that says it.

    The claim stays, and counts no more once the finalizer is gone: if the operator dies before
    that, the next one goes by it.
    """
    metadata, before = collection.metadata, collection.status
    generation = metadata.generation
    conditions = conditions_for(verdict, generation=generation, previous=before.conditions, now=now)
    after = replace(
        before,
        observed_generation=generation,
        collection_name=collection.collection_name,
        placement=None,
        conditions=(*conditions, *unacknowledged(before.conditions, metadata.annotations)),
    )
    return status_patch(after, before)
