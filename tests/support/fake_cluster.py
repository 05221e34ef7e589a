"""A cluster in memory, and all that reconcilers work with there, without an operator around it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from quiver.adapters.pem import OpenSslPem
from quiver.control.cache.cache import Cache
from quiver.control.cache.cached_objects import CachedObjects
from quiver.domain.access import Target
from quiver.domain.addresses import AddressPolicy
from quiver.domain.collections import VectorCollection
from quiver.domain.kubernetes_types import (
    COLLECTIONS_CRD,
    CRD,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.ports.engines import EngineClient
from quiver.ports.errors import ApiRefused, Conflict, NotFound
from quiver.ports.kubernetes import Event
from quiver.reconcile.collections.act import Tools
from quiver.reconcile.collections.gather import Sources
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.reconciler import CollectionReconciler
from quiver.reconcile.collections.reservations import Reservations
from quiver.reconcile.credentials import Credentials
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities
from simulation.merging import merged
from support.builders import KEYS, NAMESPACE
from support.fake_engine import FakeEngines
from support.fake_names import FakeNames

KINDS = {
    kind.kind: kind
    for kind in (
        VECTOR_COLLECTION,
        VECTOR_ENGINE,
        POD,
        SERVICE,
        STATEFUL_SET,
        NETWORK_POLICY,
        POD_DISRUPTION_BUDGET,
    )
}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class FakeApi:
    """Implements `quiver.ports.api.Api`. `calls` has each as VERB KIND NAME, in their order;
    `most_at_once` is how many reads were under way at the same time.

    Calls that `refusals` names, with the API server's words, are refused. `mutation` is merged into
    what is applied. `events` are those that others have published.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[Kind, Key], Manifest] = {}
        self.calls: list[str] = []
        self.refusals: dict[str, str | ApiRefused] = {}
        self.mutation: Manifest = {}
        self.events: list[Manifest] = []
        self.patches: list[Manifest] = []
        self.most_at_once = 0
        self._under_way = 0
        self._version = 100
        self.store(CRD, {"metadata": {"name": COLLECTIONS_CRD.name}})

    def store(self, kind: Kind, manifest: Manifest) -> Manifest:
        """What somebody else does: make the object, or have it as it is said now."""
        self._version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self._version)}
        stored = {**manifest, "metadata": metadata}
        self.objects[kind, _key(manifest)] = stored
        return stored

    async def get(self, kind: Kind, key: Key) -> Manifest:
        self._called(f"get {kind.kind} {key.name}")
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        await asyncio.sleep(0)
        self._under_way -= 1
        return self._found(kind, key)

    async def some(
        self, kind: Kind, namespace: str, fields: Mapping[str, str], most: int
    ) -> list[Manifest]:
        self._called(f"some {kind.kind} {namespace} {' '.join(fields.values())}")
        return [e for e in self.events if e["regarding"]["name"] in fields.values()][:most]

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        self._called(f"patch {kind.kind} {key.name} {subresource}".strip())
        self.patches.append(patch)
        found = self._found(kind, key)
        for field in ("uid", "resourceVersion"):
            wanted = patch.get("metadata", {}).get(field)
            if wanted not in (None, found["metadata"][field]):
                raise Conflict(f"{field} of {key} is another")
        return self.store(kind, merged(found, patch))

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._called(f"apply {kind.kind} {manifest['metadata']['name']}")
        made = {"uid": f"uid-of-{manifest['metadata']['name']}", "generation": 1}
        applied = merged(merged({"metadata": made}, manifest), self.mutation)
        return self.store(kind, applied)

    async def delete(self, kind: Kind, key: Key, uid: str) -> None:
        self._called(f"delete {kind.kind} {key.name}")
        if self._found(kind, key)["metadata"]["uid"] != uid:
            raise Conflict(f"uid of {key} is another")
        del self.objects[kind, key]

    def _called(self, call: str) -> None:
        self.calls.append(call)
        refusal = self.refusals.get(call)
        if refusal is not None:
            raise refusal if isinstance(refusal, ApiRefused) else ApiRefused(refusal)

    def _found(self, kind: Kind, key: Key) -> Manifest:
        try:
            return self.objects[kind, key]
        except KeyError:
            raise NotFound(f"{kind.plural} {key} not found") from None


class InterruptedEngines(FakeEngines):
    """Engines that are asked who they are while something else goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []
        """Done one after another, one each time that an engine is asked who it is."""

    def at(self, target: Target) -> EngineClient:
        return cast("EngineClient", _Interrupted(super().at(target), self.meanwhile))


class _Interrupted:
    def __init__(self, client: EngineClient, meanwhile: list[Callable[[], Awaitable[object]]]):
        self._client = client
        self._meanwhile = meanwhile

    async def instance(self) -> str | None:
        found = await self._client.instance()
        if self._meanwhile:
            await self._meanwhile.pop(0)()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Cluster:
    """What is there is what the cache knows; `changed` are the engines that are dialled anew."""

    def __init__(self, *manifests: Manifest) -> None:
        self.api = FakeApi()
        self.cache = Cache(KEYS)
        api: Any = self.api
        self.objects = CachedObjects(self.cache, api)
        self.engines = InterruptedEngines()
        self.names = FakeNames()
        self.changed: list[Key] = []
        self.events: list[Event] = []
        self.reservations = Reservations()
        self.identities = Identities(self.engines)
        policy, changed = AddressPolicy(), self.changed.append
        credentials = Credentials(self.objects, OpenSslPem(), changed)
        self.dialling = Dialling(self.objects, credentials, self.names, policy, changed)
        self.tools = Tools(self.objects, self.engines, self, KEYS, self.identities, self)
        self.sources = Sources(
            objects=self.objects,
            engines=self.engines,
            dialling=self.dialling,
            identities=self.identities,
            reservations=self.reservations,
        )
        self.reconciler = CollectionReconciler(self.sources, self.tools)
        self.add(*manifests)

    def add(self, *manifests: Manifest) -> None:
        """Make the objects, or have them as they are said now, for all to see."""
        for manifest in manifests:
            kind = KINDS[manifest["kind"]]
            self.cache.put(kind, self.api.store(kind, manifest))

    def remove(self, kind: Kind, name: str) -> None:
        """Take an object of our namespace away, for all to see."""
        found = self.api.objects.pop((kind, Key(NAMESPACE, name)))
        self.cache.remove(kind, Key.of(found), found["metadata"]["uid"])

    def get(self, name: str = "test01", kind: Kind = VECTOR_COLLECTION) -> Manifest:
        """Return an object of our namespace as the API server has it."""
        return self.api.objects[kind, Key(NAMESPACE, name)]

    async def gather(self, name: str = "test01", namespace: str = NAMESPACE) -> Gathered:
        manifest = self.cache.get(VECTOR_COLLECTION, Key(namespace, name))
        assert manifest is not None
        collection = msgspec.convert(manifest, VectorCollection)
        return await self.reconciler.prepare(manifest, collection)

    async def record(self, _regarding: Manifest, event: Event) -> None:
        """Implements `quiver.ports.kubernetes.EventRecorder`."""
        self.events.append(event)

    def now(self) -> datetime:
        """Implements `quiver.ports.clock.Clock`."""
        return NOON


def _key(manifest: Manifest) -> Key:
    return Key(manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
