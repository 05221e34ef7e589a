"""A cluster in memory with an external engine of type Milvus, the server, and a collection."""

import base64

from quiver.domain.conditions import ready_reason, ready_status
from quiver.domain.engines import AUTH_SECRET_TYPE
from quiver.domain.kubernetes_types import SECRET, Key, Manifest
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, collection, external, metadata
from support.fake_cluster import Cluster

ENDPOINT = "milvus.example.org:19530"
ADDRESS = "10.0.0.9:19530"
KEY = Key(NAMESPACE, "test01")
LOGIN = "milvus-login"


class MilvusCluster(Cluster):
    """`server` is the Milvus, of which nothing is loaded yet."""

    def __init__(self, spec: Manifest | None = None, engine_spec: Manifest | None = None) -> None:
        """`spec` and `engine_spec` have what differs from the shortest specs."""
        engine = external(ENDPOINT, spec={"type": "Milvus", **(engine_spec or {})})
        super().__init__(engine, collection(spec=spec))
        self.names.addresses = {"milvus.example.org": ("10.0.0.9",)}
        self.server = self.engines.start_milvus(ADDRESS)

    def log_in(self, token: str) -> None:
        """Make the Secret that the engine names, or have it as it is said now."""
        data = {"token": base64.b64encode(token.encode()).decode()}
        self.api.store(
            SECRET, {"metadata": metadata(LOGIN), "type": AUTH_SECRET_TYPE, "data": data}
        )

    def edit(self, **spec: object) -> None:
        """Have the collection's spec say this too."""
        found = self.get()
        meta = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
        self.add({**found, "metadata": meta, "spec": {**found["spec"], **spec}})

    async def reconcile(self) -> Result:
        return await self.reconciler.reconcile(KEY)

    def said(self) -> tuple[str, str]:
        """Return status and reason of Ready."""
        return ready_status(self.get()) or "", ready_reason(self.get()) or ""
