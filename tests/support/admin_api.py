"""An administrator's client of the API server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import Key, Kind
from quiver.ports.errors import NotFound


class AdminApi(KubernetesClient):
    """The operator's own client, and the deletions that the operator never asks for."""

    async def delete(self, kind: Kind, key: Key, uid: str | None = None) -> None:
        if uid is not None:
            await super().delete(kind, key, uid)
            return
        root = f"/apis/{kind.group}" if kind.group else "/api"
        path = f"{root}/{kind.version}/namespaces/{key.namespace}/{kind.plural}/{key.name}"
        await self._call("DELETE", path)

    async def delete_namespace(self, name: str) -> None:
        await self._call("DELETE", f"/api/v1/namespaces/{name}")

    async def has_namespace(self, name: str) -> bool:
        try:
            await self._call("GET", f"/api/v1/namespaces/{name}")
        except NotFound:
            return False
        return True


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[AdminApi]:
    configuration = await load_configuration({"KUBECONFIG": str(kubeconfig)})
    async with AdminApi(Connection(configuration, Metrics())) as client:
        yield client
