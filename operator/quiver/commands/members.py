"""Members of engines, as whoever runs a command reaches them."""

from collections.abc import Sequence

import msgspec

from quiver.commands.check_access import CallersAccess
from quiver.commands.cluster import Cluster
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member, members_of
from quiver.ports.errors import ApiError


class NotAsked(Exception):
    """Why no member of an engine can be asked."""


class CallersMembers:
    """Finds members and makes a way to those that are pods. `pods` are those of all engines; None
    if they may not be listed.
    """

    def __init__(
        self, cluster: Cluster, pods: Sequence[Manifest] | None, access: CallersAccess
    ) -> None:
        self._cluster = cluster
        self._pods = pods
        self._access = access

    async def of(self, manifest: Manifest) -> tuple[VectorEngine, tuple[Member, ...]]:
        """Raises: NotAsked."""
        try:
            engine = msgspec.convert(manifest, VectorEngine)
            access = await self._access.of(engine)
        except msgspec.ValidationError as error:
            raise NotAsked(f"the object cannot be read: {error}") from error
        except ApiError as error:
            raise NotAsked(f"its Secrets cannot be read: {error}") from error
        if access.trouble is not None:
            why = access.trouble.message.replace("The operator may not", "You may not")
            raise NotAsked(f"not asked: {why}")
        if engine.spec.external is None and self._pods is None:
            raise NotAsked("not asked: its pods may not be listed")
        pods = [msgspec.convert(pod, Pod) for pod in self._pods or ()]
        own = members_of(engine, pods, access)
        names = {member.pod for member in own}
        ways = (p for p in pods if p.metadata.name in names)
        await self._cluster.engines.reach(
            p for p in ways if p.metadata.namespace == engine.metadata.namespace
        )
        return engine, own
