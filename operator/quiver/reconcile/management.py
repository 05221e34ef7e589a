"""Reconciles the objects that no other operator of the cluster manages.

Two releases that reconcile one engine would each apply their own StatefulSet, and restart its pods
without end. So the first one that reports on an engine writes its name into the status, and
reconciles the engine and its collections. Another one stands aside, and marks the engine so that
the first learns of it.
"""

import asyncio
import logging

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.managers import (
    CONTENDED_BY_FIELD,
    MANAGED_BY_FIELD,
    Manager,
    contender_for,
)
from quiver.domain.manifests import engine_of, uid_of
from quiver.domain.rights import Rights
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects
from quiver.reconcile.result import Reconciler, Result

log = logging.getLogger(__name__)

REMINDER_S = 600.0
"""How often the manager of an engine takes the mark of another operator off. If that operator is
still there, it marks the engine again.
"""


class ManagedEngines:
    """Reconciles VectorEngines. The reconciler names the manager whenever it writes a status."""

    def __init__(self, reconciler: Reconciler, objects: Objects, manager: Manager) -> None:
        self._reconciler = reconciler
        self._objects = objects
        self._manager = manager
        self._unmarked_at: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> Result:
        engine = self._objects.get(VECTOR_ENGINE, key)
        if engine is None:
            self._unmarked_at.pop(key, None)
            return await self._reconciler.reconcile(key)
        other = self._manager.other_manager_of(engine)
        if other is not None:
            await self._stand_aside(key, engine, other)
            return Result.DONE
        contender = contender_for(engine)
        if contender is not None:
            await self._tell_of(contender, key, engine)
        return await self._reconciler.reconcile(key)

    async def _stand_aside(self, key: Key, engine: Manifest, other: str) -> None:
        if contender_for(engine) is not None:
            return
        log.warning(
            "VectorEngine %s and its collections are left alone: the operator of namespace %s"
            " manages them. Let only one operator watch namespace %s. If the other one is gone,"
            " set --take-over=%s (takeOver in the chart)",
            key,
            other,
            key.namespace,
            other,
        )
        await self._mark(key, engine, self._manager.namespace)

    async def _tell_of(self, contender: str, key: Key, engine: Manifest) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._unmarked_at.get(key, -REMINDER_S) < REMINDER_S:
            return
        self._unmarked_at[key] = now
        log.warning(
            "VectorEngine %s is also watched by the operator of namespace %s, which leaves it"
            " alone. Let only one operator watch namespace %s",
            key,
            contender,
            key.namespace,
        )
        await self._mark(key, engine, None)

    async def _mark(self, key: Key, engine: Manifest, contender: str | None) -> None:
        mark = {CONTENDED_BY_FIELD: contender}
        await self._objects.merge_status(VECTOR_ENGINE, key, uid_of(engine), mark)


class ManagedCollections:
    """Reconciles VectorCollections. Who manages the engine manages its collections.

    A collection has a manager of its own only where operators disagree: where one of them does not
    watch the namespace of its engine, and so cannot know who manages that.
    """

    def __init__(
        self, reconciler: Reconciler, objects: Objects, manager: Manager, rights: Rights
    ) -> None:
        self._reconciler = reconciler
        self._objects = objects
        self._manager = manager
        self._rights = rights
        self._told: set[str] = set()

    async def reconcile(self, key: Key) -> Result:
        self._forget_abandoned_to_others(key)
        collection = self._objects.get(VECTOR_COLLECTION, key)
        if collection is None:
            return await self._reconciler.reconcile(key)
        engine_key, engine = engine_of(collection), self._engine_of(collection)
        other = self._manager.other_manager_of(engine or collection)
        if other is not None:
            self._tell_of(other, key)
            return Result.DONE
        if self._is_disputed(collection, engine_key, is_engine_known=engine is not None):
            await self._claim(collection)
        return await self._reconciler.reconcile(key)

    def _engine_of(self, collection: Manifest) -> Manifest | None:
        key = engine_of(collection)
        return self._objects.get(VECTOR_ENGINE, key) if key else None

    def _forget_abandoned_to_others(self, key: Key) -> None:
        """What an object has left is for the manager of its engine to record. Most such objects
        were released by that one.
        """
        for manifest in self._objects.abandoned(key):
            if self._manager.other_manager_of(self._engine_of(manifest) or manifest) is not None:
                self._objects.forget_abandoned(manifest)

    def _is_disputed(
        self, collection: Manifest, engine: Key | None, *, is_engine_known: bool
    ) -> bool:
        if is_engine_known:
            return self._manager.other_manager_of(collection) is not None
        is_unwatched = engine is not None and not self._rights.covers(engine.namespace)
        return is_unwatched and not self._manager.manages(collection)

    async def _claim(self, collection: Manifest) -> None:
        status = {MANAGED_BY_FIELD: self._manager.namespace}
        try:
            await self._objects.patch_status(VECTOR_COLLECTION, collection, status)
        except ApiRefused as error:
            # The reconcile that follows reports that the status is refused.
            log.warning(
                "VectorCollection %s: status.managedBy cannot be written: %s",
                Key.of(collection),
                error,
            )

    def _tell_of(self, other: str, key: Key) -> None:
        if other in self._told:
            return
        self._told.add(other)
        log.warning(
            "VectorCollection %s, and all others that the operator of namespace %s manages, are"
            " left alone",
            key,
            other,
        )
