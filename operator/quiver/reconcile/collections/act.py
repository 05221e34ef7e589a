"""Carry out a decision's steps, in order, one at a time."""

from quiver.domain.claims import recording_patch, releasing_patch
from quiver.domain.objects import SECRET, VECTOR_COLLECTION, Manifest
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import Conflict, EngineRefused, NotFound
from quiver.ports.kubernetes import EventRecorder, Objects
from quiver.reconcile.collections.decision import (
    ApplySecret,
    CreateCollection,
    CreatePartition,
    DeleteSecret,
    DropCollection,
    DropPartition,
    EngineStep,
    RecordClaim,
    Release,
    SetIndex,
    Step,
    Tell,
)
from quiver.reconcile.collections.gathered import Gathered


class Actor:
    """Acts for one reconcile.

    After each step `manifest` is what the API server knows of the object; None once it was let go.

    What was gathered may be of the past: lists and watches lag, and the object may have been
    changed or deleted since. A PATCH finds that out by itself, the engine and a Secret do not: they
    are touched only once the API server has said that the object is still the one at hand.
    """

    def __init__(
        self, gathered: Gathered, objects: Objects, engines: Engines, events: EventRecorder
    ) -> None:
        self.manifest: Manifest | None = gathered.manifest
        self._gathered = gathered
        self._objects = objects
        self._engines = engines
        self._events = events
        self._is_present = False

    async def do(self, step: Step) -> None:
        """Raises EngineError, ApiError; Conflict and NotFound where the object is no more as it was
        gathered.
        """
        match step:
            case RecordClaim(claim):
                await self._patch(recording_patch(self._gathered.collection, claim))
            case Release():
                await self._patch(releasing_patch(self._gathered.collection))
                self.manifest = None
            case ApplySecret(manifest):
                await self._ensure_present()
                await self._objects.apply(SECRET, manifest)
            case DeleteSecret(manifest):
                await self._ensure_present()
                await self._objects.delete(SECRET, manifest)
            case Tell(event):
                await self._events.record(self._gathered.manifest, event)
            case _:
                await self._ensure_present()
                await self._do_on_engine(step)

    async def _patch(self, patch: Manifest) -> None:
        assert self.manifest is not None
        self.manifest = await self._objects.patch(VECTOR_COLLECTION, self.manifest, patch)
        self._is_present = True

    async def _ensure_present(self) -> None:
        if self._is_present:
            return
        key = self._gathered.collection.metadata.key
        found = await self._objects.fetch(VECTOR_COLLECTION, key)
        if found is None:
            raise NotFound(f"VectorCollection {key} is gone")
        if _version(found) != _version(self._gathered.manifest):
            raise Conflict(f"VectorCollection {key} has changed since")
        self._is_present = True

    async def _do_on_engine(self, step: EngineStep) -> None:
        try:
            await self._call_engine(step)
        except EngineRefused:
            # A call that was given up on may have taken effect after the engine was looked at.
            if not await self._is_done(step):
                raise

    async def _is_done(self, step: EngineStep) -> bool:
        found = await self._client().describe(self._gathered.collection_name)
        match step:
            case CreateCollection(schema):
                return found is not None and found.schema == schema
            case CreatePartition(tag):
                return found is not None and tag in found.partitions
            case _:
                return False

    async def _call_engine(self, step: EngineStep) -> None:
        client, name = self._client(), self._gathered.collection_name
        match step:
            case CreateCollection(schema):
                await client.create(schema)
            case DropCollection():
                await client.drop(name)
            case CreatePartition(tag):
                await client.create_partition(name, tag)
            case DropPartition(tag):
                await client.drop_partition(name, tag)
            case SetIndex(index):
                await client.set_index(name, index)

    def _client(self) -> EngineClient:
        member = self._gathered.member
        assert member is not None, "no policy asks an engine for anything without a member"
        return self._engines.at(member.address, member.tls)


def _version(manifest: Manifest) -> str:
    version: str = manifest["metadata"]["resourceVersion"]
    return version
