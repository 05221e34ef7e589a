"""A namespace of a real API server, and what tests do and wait for in it."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from quiver.domain.access import Target
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import NotFound
from support.admin_api import AdminApi
from support.statuses import keep
from support.waiting import DEADLINE_S, eventually


@dataclass
class Namespace:
    """A namespace of a real API server, with an engine process that its VectorEngine points to.

    `api` is an administrator's client, `operator_api` has the operator's rights and no others. The
    VectorEngine is in the namespace itself unless `engine_namespace` is given.
    """

    namespace: str
    api: AdminApi
    operator_api: AdminApi
    engines: Engines
    address: str
    engine_namespace: str | None = None

    @property
    def engine(self) -> EngineClient:
        return self.engines.at(Target(self.address, "Quiver"))

    async def create_collection(self, name: str, **spec: Any) -> Manifest:
        reference = {"name": "engine"}
        if self.engine_namespace is not None:
            reference["namespace"] = self.engine_namespace
        body = {"engineRef": reference, "dimension": 8, **spec}
        return await self.create(VECTOR_COLLECTION, name, body)

    async def create(self, kind: Kind, name: str, spec: Manifest, **metadata: Any) -> Manifest:
        manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": spec,
        }
        return await self.api.create(kind, manifest)

    async def get(self, name: str, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        return await self.api.get(kind, Key(self.namespace, name))

    async def find(self, name: str, kind: Kind = VECTOR_COLLECTION) -> Manifest | None:
        try:
            return await self.get(name, kind)
        except NotFound:
            return None

    async def patch(self, name: str, patch: Manifest, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        return await self.api.patch(kind, Key(self.namespace, name), patch)

    async def delete(self, name: str, kind: Kind = VECTOR_COLLECTION) -> None:
        await self.api.delete(kind, Key(self.namespace, name))

    async def give_up_engine(self, name: str = "engine") -> None:
        """Delete a VectorEngine and have it wait for no collection, as the documentation says."""
        await self.delete(name, VECTOR_ENGINE)
        with suppress(NotFound):
            await self.patch(name, {"metadata": {"finalizers": None}}, VECTOR_ENGINE)
        await self.gone(name, VECTOR_ENGINE)

    async def settled(self, name: str, reason: str, kind: Kind = VECTOR_COLLECTION) -> Manifest:
        """Wait until the object's Ready condition says `reason` of its present generation."""

        async def holds() -> Manifest | None:
            manifest = await self.get(name, kind)
            current = manifest["metadata"]["generation"]
            said = ready_condition(manifest)
            told = said.get("reason") == reason and said.get("observedGeneration") == current
            return manifest if told else None

        found: Manifest = await eventually(holds, f"{kind.kind} {name} says {reason}")
        keep(found)
        return found

    async def says(
        self, name: str, reason: str, *words: str, kind: Kind = VECTOR_COLLECTION
    ) -> Manifest:
        """Wait until the object says `reason`, in a message that holds all of `words`."""
        manifest = await self.settled(name, reason, kind)
        message = ready_condition(manifest)["message"]
        assert [word for word in words if word not in message] == [], message
        return manifest

    async def look_now(self, name: str) -> None:
        """Ask the operator to look at the object, as a person does."""
        value = uuid.uuid4().hex
        await self.patch(name, {"metadata": {"annotations": {"quiver.dev/reconcile": value}}})

    async def settled_engine(self, name: str = "engine") -> Manifest:
        return await self.settled(name, "Available", VECTOR_ENGINE)

    async def ready(self, *names: str) -> list[Manifest]:
        return [await self.settled(name, "Available") for name in names]

    async def gone(
        self, name: str, kind: Kind = VECTOR_COLLECTION, deadline_s: float = DEADLINE_S
    ) -> None:
        async def holds() -> bool:
            return await self.find(name, kind) is None

        await eventually(holds, f"{kind.kind} {name} is gone", deadline_s)

    async def told(self, name: str, reason: str) -> Manifest:
        """Wait for an event about the object, and return the first: it follows the status."""

        async def holds() -> list[Manifest]:
            return await self.events(name, reason)

        found: list[Manifest] = await eventually(holds, f"an event tells of {name}: {reason}")
        return found[0]

    async def events(self, name: str, reason: str) -> list[Manifest]:
        listing = await self.api.list(EVENT)
        return [
            event
            for event in listing.items
            if event["metadata"]["namespace"] == self.namespace
            and event["regarding"]["name"] == name
            and event["reason"] == reason
        ]


EVENT = Kind("events.k8s.io", "v1", "events", "Event")


def types(manifest: Manifest) -> set[str]:
    """Return the types of the object's conditions."""
    return {condition["type"] for condition in manifest["status"]["conditions"]}


def ready_condition(manifest: Manifest) -> dict[str, Any]:
    conditions = manifest.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Ready"), {})
