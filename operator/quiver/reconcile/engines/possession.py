"""Holds VectorEngines by a finalizer, and keeps the garbage collector off what they became."""

from collections.abc import Mapping

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Key, Kind, Manifest
from quiver.domain.manifests import uid_of
from quiver.domain.possession import (
    ENGINE_FINALIZER,
    PARTS,
    disowning_patch,
    engine_uid_of,
    holding_patch,
    is_left_behind,
    is_to_be_held,
    releasing_patch,
)
from quiver.ports.kubernetes import Objects


class Possession:
    """Every call raises: ApiError."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def hold(self, engine: VectorEngine, manifest: Manifest) -> Manifest:
        """Add the finalizer, if it is missing, and return the engine's manifest."""
        if not is_to_be_held(engine):
            return manifest
        patch = holding_patch(engine.metadata.finalizers)
        return await self._objects.patch(VECTOR_ENGINE, manifest, patch)

    async def release(self, engine: VectorEngine, manifest: Manifest) -> Manifest:
        """Take the finalizer off, and no other, and return the engine's manifest."""
        if ENGINE_FINALIZER not in engine.metadata.finalizers:
            return manifest
        patch = releasing_patch(engine.metadata.finalizers)
        return await self._objects.patch(VECTOR_ENGINE, manifest, patch)

    async def disown(
        self, engine: VectorEngine, parts: Mapping[Kind, Manifest]
    ) -> dict[Kind, Manifest]:
        """Take the engine off the owners of its parts, which the release before made it, and those
        who uninstall Quiver. Return the parts that this has changed.
        """
        changed = dict[Kind, Manifest]()
        for kind, found in parts.items():
            patch = disowning_patch(found, engine.metadata.uid)
            # Without the annotation nothing else would tell whose the part is.
            if patch is not None and engine_uid_of(found) == engine.metadata.uid:
                changed[kind] = await self._objects.patch(kind, found, patch)
        return changed

    async def remove_left(self, key: Key) -> None:
        """Delete what is left of an engine of this name that is gone: whoever takes its finalizer
        off by hand gives up what is on the pods.
        """
        found = [(kind, part) for kind in PARTS if (part := self._left(kind, key)) is not None]
        if not found:
            return
        # The cache may lag behind: only the API server knows which engine there is.
        engine = await self._objects.fetch(VECTOR_ENGINE, key)
        present = None if engine is None else uid_of(engine)
        for kind, part in found:
            if engine_uid_of(part) != present:
                await self._objects.delete(kind, part)

    def _left(self, kind: Kind, key: Key) -> Manifest | None:
        part = self._objects.get(kind, key)
        return part if part is not None and is_left_behind(part) else None
