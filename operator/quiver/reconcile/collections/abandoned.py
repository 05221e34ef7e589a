"""Records what objects left on an engine that are gone without a release by the operator.

Anyone who may edit an object may remove its finalizer and delete it. Its collection then stays on
the engine, and must count towards the namespace's share as any other that the namespace retains.
"""

import msgspec

from quiver.domain.collections import VectorCollection
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.ports.errors import ApiRefused
from quiver.reconcile.collections.act import Actor, Tools
from quiver.reconcile.collections.deletion import steps_for_what_stays
from quiver.reconcile.collections.gather import Sources, gather
from quiver.reconcile.collections.observe import observe


async def record_abandoned(key: Key, sources: Sources, tools: Tools) -> ApiRefused | None:
    """Record the collections that objects of this name have left. Return what the API server said
    if it refused that: an object of the name that is there now must not wait. Raises: ApiError.
    """
    for manifest in tools.objects.abandoned(key):
        try:
            await _record(manifest, sources, tools)
        except ApiRefused as error:
            return error
        tools.objects.forget_abandoned(manifest)
    return None


async def _record(manifest: Manifest, sources: Sources, tools: Tools) -> None:
    metadata = manifest["metadata"]
    deleted = {"deletionTimestamp": metadata["creationTimestamp"], **metadata, "finalizers": []}
    try:
        collection = msgspec.convert({**manifest, "metadata": deleted}, VectorCollection)
    except msgspec.ValidationError:
        return  # stored under a looser CRD: the operator has made nothing for it
    gathered = await observe(await gather(manifest, collection, sources), sources)
    for step in steps_for_what_stays(gathered):
        await Actor(gathered, tools).do(step)
