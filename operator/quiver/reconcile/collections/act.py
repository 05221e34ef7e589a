"""Carry out a decision's steps, in order, one at a time."""

import asyncio
from dataclasses import dataclass

from quiver.domain.claims import (
    ClaimKeys,
    finalizing_patch,
    recording_patch,
    releasing_patch,
    replacing_status,
    retained_as,
)
from quiver.domain.kubernetes_types import (
    POD,
    SECRET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.domain.manifests import version_of
from quiver.domain.members import GRPC_PORT, Member
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import Conflict, EngineRefused, NotFound, WrongEngine
from quiver.ports.kubernetes import EventRecorder, Objects
from quiver.reconcile.collections.decision import (
    ApplySecret,
    CreateCollection,
    CreatePartition,
    DeleteSecret,
    DropCollection,
    DropPartition,
    EngineStep,
    KeepFinalizer,
    NoteRetained,
    PublishEvent,
    RecordClaim,
    Release,
    ReplaceClaim,
    SetIndex,
    Step,
)
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.identities import Identities

_RESTS_ON_IDENTITY = (RecordClaim, ReplaceClaim, EngineStep, Release)
TRUSTED_S = 1.0
"""How long what was seen is taken for what is: the object, and who the member is. From one step to
the next a reconcile takes less, unless the process stands still.
"""
MOST_RETAINED = 1024
"""Entries in an engine's status: more would make it an object that is slow to read and write."""


@dataclass(frozen=True)
class Tools:
    """What steps are carried out with."""

    objects: Objects
    engines: Engines
    events: EventRecorder
    keys: ClaimKeys
    identities: Identities


class Actor:
    """Acts for one reconcile.

    After each step `manifest` is what the API server knows of the object; None once it was let go.

    What was gathered may be of the past: lists and watches lag, the process may have stood still,
    and the object may have been changed or deleted since. A PATCH finds that out by itself, the
    engine and a Secret do not: they are touched only once the API server has said that the object
    is still the one at hand, and an engine only as the one that was asked before.
    """

    def __init__(self, gathered: Gathered, tools: Tools) -> None:
        self.manifest: Manifest | None = gathered.manifest
        self.made: list[str] = []
        """The tags of partitions that were created."""
        self._gathered = gathered
        self._objects = tools.objects
        self._engines = tools.engines
        self._events = tools.events
        self._keys = tools.keys
        self._identities = tools.identities
        self._is_present = False
        self._is_member = False
        self._is_asked = True
        self._acted_at = gathered.asked_at

    async def do(self, step: Step) -> None:
        """Raises EngineError, ApiError; Conflict and NotFound where the object is no more as it was
        gathered.
        """
        collection = self._gathered.collection
        self._forget_what_is_old()
        if isinstance(step, _RESTS_ON_IDENTITY):
            await self._ensure_member()
        match step:
            case RecordClaim(claim):
                await self._patch(recording_patch(collection, self._keys.signed(claim)))
            case ReplaceClaim(claim):
                await self._patch_status(replacing_status(claim))
            case KeepFinalizer():
                await self._patch(finalizing_patch(collection))
            case Release():
                await self._patch(releasing_patch(collection))
                self.manifest = None
            case ApplySecret(manifest):
                await self._ensure_present()
                await self._objects.apply(SECRET, manifest)
            case DeleteSecret(manifest):
                await self._ensure_present()
                await self._objects.delete(SECRET, manifest)
            case PublishEvent(event):
                await self._events.record(self._gathered.manifest, event)
            case NoteRetained():
                await self._note(step)
            case _:
                await self._ensure_present()
                await self._do_on_engine(step)

    async def _patch(self, patch: Manifest) -> None:
        assert self.manifest is not None
        self.manifest = await self._objects.patch(VECTOR_COLLECTION, self.manifest, patch)
        self._is_present = True

    async def _patch_status(self, status: Manifest) -> None:
        assert self.manifest is not None
        self.manifest = await self._objects.patch_status(VECTOR_COLLECTION, self.manifest, status)
        self._is_present = True

    async def _note(self, step: NoteRetained) -> None:
        """Merges one entry, whatever others write beside it."""
        engine = self._gathered.engine_there
        retained, place = engine.status.retained, retained_as(step.claim)
        if step.owner is None or place in retained or len(retained) < MOST_RETAINED:
            entry = {place: step.owner}
            await self._objects.merge_status(
                VECTOR_ENGINE, engine.metadata.key, engine.metadata.uid, {"retained": entry}
            )

    def _forget_what_is_old(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._acted_at > TRUSTED_S:
            self._is_present = self._is_member = self._is_asked = False
        self._acted_at = now

    async def _ensure_present(self) -> None:
        if self._is_present:
            return
        assert self.manifest is not None
        key = self._gathered.collection.metadata.key
        found = await self._objects.fetch(VECTOR_COLLECTION, key)
        if found is None:
            raise NotFound(f"VectorCollection {key} is gone")
        if version_of(found) != version_of(self.manifest):
            raise Conflict(f"VectorCollection {key} has changed since")
        self._is_present = True

    async def _ensure_member(self) -> None:
        """Make sure that the member still is who it was, and that it was the pod that said so, not
        one that has its address now.

        Where the claim names the instance, an engine refuses what is meant for another. One that
        tells none does not, and may have got the address while this process stood still.
        """
        g = self._gathered
        if g.server is None or g.member is None:
            return
        if not self._is_asked:
            if await self._identities.ask(g.engine_there, g.member) != g.server:
                raise WrongEngine(f"{g.member.name} is another server than a moment ago")
            self._is_asked = True
        claimed = g.claim.server if g.claim is not None else None
        is_known = g.server.instance is not None and claimed == g.server.identity
        if g.member.pod is not None and not is_known and not self._is_member:
            await self._ensure_pod(g.member, g.member.pod)
            self._is_member = True

    async def _ensure_pod(self, member: Member, name: str) -> None:
        key = Key(self._gathered.collection.engine_key.namespace, name)
        pod = await self._objects.fetch(POD, key)
        address = pod.get("status", {}).get("podIP", "") if pod is not None else ""
        if member.address not in (f"{address}:{GRPC_PORT}", f"[{address}]:{GRPC_PORT}"):
            raise Conflict(f"Pod {key} has another address by now")

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
                self.made.append(tag)
            case DropPartition(tag):
                await client.drop_partition(name, tag)
            case SetIndex(index):
                await client.set_index(name, index)

    def _client(self) -> EngineClient:
        return self._engines.at(self._gathered.target)
