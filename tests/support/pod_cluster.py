"""A cluster in memory with an engine in a pod, and who acts there."""

from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.servers import Server
from quiver.reconcile.collections.act import Actor
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, claim, collection, engine, pod
from support.fake_cluster import Cluster

AT = "10.0.0.7:19530"
ID, OTHER_ID = "0" * 32, "1" * 32


def identity(instance: str | None) -> str:
    return Server("uid-of-engine", instance, None).identity


HELD = claim(server=identity(ID))
KEY, ENGINE = Key(NAMESPACE, "test01"), Key(NAMESPACE, "engine")
NAMED = "milvus.example.org:19530"


class PodCluster(Cluster):
    """A cluster with a ready pod, the engine in it, and a collection."""

    def __init__(
        self, manifest: Manifest | None = None, *, instance: str | None = ID, ip: str = "10.0.0.7"
    ) -> None:
        super().__init__(engine(), pod(ip=ip), manifest or collection())
        address = f"[{ip}]:19530" if ":" in ip else f"{ip}:19530"
        self.server = self.engines.start(address, instance=instance)

    async def actor(self) -> Actor:
        """Return who acts upon what is there now; `calls` are those since."""
        gathered = await self.gather()
        self.api.calls.clear()
        return Actor(gathered, self.tools)

    async def reconcile(self) -> Result:
        return await self.reconciler.reconcile(KEY)
