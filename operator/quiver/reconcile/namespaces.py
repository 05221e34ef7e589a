"""Asks whether the namespace of an object is being deleted."""

from quiver.domain.kubernetes_types import NAMESPACE, Key, ObjectMeta
from quiver.ports.kubernetes import Objects


async def is_namespace_going(metadata: ObjectMeta, objects: Objects) -> bool:
    """Tell whether an object that is being deleted goes with its namespace. Raises: ApiError."""
    if not metadata.deleting:
        return False
    namespace = await objects.fetch(NAMESPACE, Key("", metadata.namespace))
    return namespace is None or "deletionTimestamp" in namespace["metadata"]
