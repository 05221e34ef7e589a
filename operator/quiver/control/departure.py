"""Lets the objects of a release go that is uninstalled, so that none waits for its operator."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from quiver.control.leader.election import LEASE, LEASE_NAME, Terms
from quiver.domain.claims import FINALIZER, has_finalizer
from quiver.domain.kubernetes_types import (
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
    ObjectMeta,
)
from quiver.domain.managers import Manager
from quiver.domain.manifests import engine_of
from quiver.domain.possession import ENGINE_FINALIZER, PARTS, owning_patch, releasing_patch
from quiver.ports.api import Api
from quiver.ports.errors import Conflict, NotFound

DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
AT_ONCE = 16
"""Patches at the same time."""
POLL_S = 1.0


class Departure:
    """The end of the release whose operator runs in `namespace`.

    It drops nothing: collections stay on their engines, and claims in their objects. Every call
    raises: ApiError.
    """

    def __init__(
        self, api: Api, namespace: str, watched: Sequence[str], tell: Callable[[str], object]
    ) -> None:
        """`watched` are the namespaces that the operator watched; none means all. `tell` is called
        with what happens, line by line.
        """
        self._api = api
        self._namespace = namespace
        self._watched = watched or ("",)
        self._manager = Manager(namespace)
        self._tell = tell

    async def stop(self, deployment: str) -> None:
        """Scale the operator's Deployment to 0, and wait until it has no pods left."""
        key, none = Key(self._namespace, deployment), {"spec": {"replicas": 0}}
        self._tell(f"Deployment {key} is scaled to 0.")
        while True:
            try:
                scale = await self._api.patch(DEPLOYMENT, key, none, subresource="scale")
            except NotFound:
                return
            if not scale.get("status", {}).get("replicas"):
                return
            await asyncio.sleep(POLL_S)

    async def wait_for_the_lease(self) -> None:
        """Wait until no operator leads: one that works would put back what is taken off."""
        loop, seen, since = asyncio.get_running_loop(), Manifest(), 0.0
        while (spec := await self._lease()).get("holderIdentity"):
            if spec != seen:
                if seen.get("holderIdentity") != spec["holderIdentity"]:
                    self._tell(f"{spec['holderIdentity']} leads; waiting until it has ended.")
                seen, since = spec, loop.time()
            elif loop.time() - since >= spec.get("leaseDurationSeconds", Terms.duration):
                return
            await asyncio.sleep(POLL_S)

    async def _lease(self) -> Manifest:
        try:
            lease = await self._api.get(LEASE, Key(self._namespace, LEASE_NAME))
        except NotFound:
            return {}
        found: Manifest = lease.get("spec") or {}
        return found

    async def release(self) -> int:
        """Take the finalizer off each VectorCollection of the release, until none has it. Return
        how many that were.
        """
        released = 0
        while held := await self._held():
            for start in range(0, len(held), AT_ONCE):
                batch = held[start : start + AT_ONCE]
                released += sum(await asyncio.gather(*map(self._release, batch)))
        return released

    async def release_engines(self) -> int:
        """Have Kubernetes delete what each engine of the release became with the engine, and take
        its finalizer off. Return how many engines that were.
        """
        released = 0
        while held := [e for e in await self._all(VECTOR_ENGINE) if self._is_held(e)]:
            for engine in held:
                released += await self._release_engine(engine)
        return released

    def _is_held(self, engine: Manifest) -> bool:
        is_ours = self._manager.other_manager_of(engine) is None
        return is_ours and ENGINE_FINALIZER in (engine["metadata"].get("finalizers") or ())

    async def _release_engine(self, engine: Manifest) -> bool:
        key, metadata = Key.of(engine), engine["metadata"]
        version = {name: metadata[name] for name in ("uid", "resourceVersion")}
        patch = releasing_patch(metadata["finalizers"])["metadata"]
        try:
            for kind in PARTS:
                await self._give_away(kind, key, msgspec.convert(metadata, ObjectMeta))
            await self._api.patch(VECTOR_ENGINE, key, {"metadata": {**patch, **version}})
        except (Conflict, NotFound):
            return False  # it has changed, and is looked at again
        left = "" if "external" in engine["spec"] else "; its pods stay, and go with it"
        self._tell(f"VectorEngine {key} is released{left}.")
        return True

    async def _give_away(self, kind: Kind, key: Key, engine: ObjectMeta) -> None:
        try:
            part = await self._api.get(kind, key)
        except NotFound:
            return
        patch = owning_patch(part, engine)
        if patch is not None:
            version = {"resourceVersion": part["metadata"]["resourceVersion"]}
            await self._api.patch(kind, key, {"metadata": {**patch["metadata"], **version}})

    async def _held(self) -> list[Manifest]:
        engines = {Key.of(engine): engine for engine in await self._all(VECTOR_ENGINE)}
        collections = await self._all(VECTOR_COLLECTION)
        return [c for c in collections if has_finalizer(c) and self._is_ours(c, engines)]

    def _is_ours(self, collection: Manifest, engines: dict[Key, Manifest]) -> bool:
        # What nobody has reported on yet counts as well, so that it is not stuck. If another
        # operator works on it, that one puts the finalizer back.
        key = engine_of(collection)
        engine = engines.get(key) if key else None
        return self._manager.other_manager_of(engine or collection) is None

    async def _all(self, kind: Kind) -> Iterable[Manifest]:
        try:
            lists = [await self._api.list(kind, namespace=n, keep=_read) for n in self._watched]
        except NotFound:
            return []  # without its CRD there is no object
        return [manifest for found in lists for manifest in found.items]

    async def _release(self, collection: Manifest) -> bool:
        key, metadata = Key.of(collection), collection["metadata"]
        others = [name for name in metadata["finalizers"] if name != FINALIZER]
        patch = {
            "resourceVersion": metadata["resourceVersion"],
            "uid": metadata["uid"],
            "finalizers": others or None,
        }
        try:
            await self._api.patch(VECTOR_COLLECTION, key, {"metadata": patch})
        except (Conflict, NotFound):
            return False  # it has changed, and is looked at again
        name = collection["status"].get("collectionName") or "?"
        self._tell(f"VectorCollection {key} is released; collection {name!r} stays on its engine.")
        return True


def _read(manifest: Manifest) -> Manifest:
    """Return what is read of an object: there may be many, and each may be large."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    names = ("name", "namespace", "uid", "resourceVersion", "finalizers")
    return {
        "metadata": {name: metadata[name] for name in names if name in metadata},
        "spec": {"engineRef": manifest.get("spec", {}).get("engineRef") or {}},
        "status": {name: status.get(name) for name in ("managedBy", "collectionName")},
    }
