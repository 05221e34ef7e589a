"""A cluster in memory with an external engine of type Milvus, the server, and a collection."""

import base64

import msgspec

from quiver.domain.engines import AUTH_SECRET_TYPE, VectorEngine
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Key, Manifest
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, collection, external, metadata
from support.fake_cluster import Cluster

ENDPOINT = "milvus.example.org:19530"
ADDRESS = "10.0.0.9:19530"
KEY = Key(NAMESPACE, "test01")
LOGIN = "milvus-login"
ENOUGH = 8
"""Reconciles; none of the tests needs more."""


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
        self._edit(self.get(), spec)

    def edit_engine(self, **spec: object) -> None:
        self._edit(self.get("engine", VECTOR_ENGINE), spec)

    def tell_version(self, version: str) -> None:
        """Have the server be of this version, as the engine's status says too."""
        self.server.told_version = version
        found = self.get("engine", VECTOR_ENGINE)
        self.add({**found, "status": {**found["status"], "version": version}})

    async def reconcile(self) -> Result:
        return await self.reconciler.reconcile(KEY)

    async def settle(self) -> None:
        """Reconcile until there is nothing more to be done, or to wait for."""
        for _ in range(ENOUGH):
            if await self.reconcile() is Result.DONE:
                return
        raise AssertionError(f"it does not come to rest, and says {self.said()}")

    async def read_secrets(self) -> None:
        """Do what the reconcile of the engine does now and then."""
        await self.dialling.read(msgspec.convert(self.get("engine", VECTOR_ENGINE), VectorEngine))

    def said(self) -> tuple[str, str]:
        """Return the state (Ready, Reconciling or Stalled) and the reason of Ready."""
        conditions = self.get()["status"]["conditions"]
        true = [c["type"] for c in conditions if c["status"] == "True"]
        reasons = [c["reason"] for c in conditions if c["type"] == "Ready"]
        return " ".join(true), " ".join(reasons)

    def _edit(self, found: Manifest, spec: Manifest) -> None:
        meta = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
        self.add({**found, "metadata": meta, "spec": {**found["spec"], **spec}})
