"""Engines, from outside the cluster: pods through the API server, the others directly."""

from collections.abc import Iterable

from quiver.adapters.drivers import Drivers
from quiver.adapters.kubernetes.port_forward import PortForwards
from quiver.domain.access import Target
from quiver.domain.engines import Pod
from quiver.domain.kubernetes_types import Key
from quiver.domain.members import GRPC_PORT
from quiver.ports.engines import EngineClient


class ReachableEngines:
    """Implements `quiver.ports.engines.Engines`."""

    def __init__(self, drivers: Drivers, forwards: PortForwards) -> None:
        self._drivers = drivers
        self._forwards = forwards
        self._ways: dict[str, str] = {}

    async def reach(self, pods: Iterable[Pod]) -> None:
        """Make a way to each of these pods of engines."""
        for pod in pods:
            address = pod.status.pod_ip
            if address:
                host = f"[{address}]" if ":" in address else address
                way = await self._forwards.address(pod.metadata.key, GRPC_PORT)
                self._ways[f"{host}:{GRPC_PORT}"] = way

    async def way(self, pod: Key, port: int) -> str:
        """Return an address on this machine that leads to a port of a pod."""
        return await self._forwards.address(pod, port)

    def at(self, target: Target) -> EngineClient:
        """Return a client for the target. What is said of it names the target all the same."""
        way = self._ways.get(target.address)
        if way is None:
            return self._drivers.at(target)
        return self._drivers.at(target._replace(address=way, authority=target.name))
