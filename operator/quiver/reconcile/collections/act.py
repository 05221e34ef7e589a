"""Carries out the steps of a decision, in order, one at a time."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from quiver.domain.claims import (
    ClaimKeys,
    finalizing_patch,
    has_status_claim,
    recording_patch,
    releasing_patch,
    replacing_status,
    retained_as,
)
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.collections import OWNER_PROPERTY, Claim, VectorCollection
from quiver.domain.data_loss import with_loss
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import (
    SECRET,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Manifest,
)
from quiver.domain.manifests import uid_of
from quiver.ports.clock import Clock
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import Conflict, EngineRefused, NotFound
from quiver.ports.kubernetes import Event, EventRecorder, Objects
from quiver.reconcile.collections.decision import (
    AlterProperties,
    ApplySecret,
    CreateCollection,
    CreateDatabase,
    CreatePartition,
    DeleteSecret,
    DropCollection,
    DropPartition,
    EngineStep,
    FieldStep,
    KeepFinalizer,
    LoadCollection,
    MilvusStep,
    NoteRetained,
    PublishEvent,
    RecordClaim,
    RecordLoss,
    RecordRelease,
    Release,
    ReleaseCollection,
    ReplaceClaim,
    SetIndex,
    StatusStep,
    Step,
)
from quiver.reconcile.collections.field_steps import do_on_fields, is_done_on_fields
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.milvus_steps import do_on_milvus, is_done
from quiver.reconcile.collections.preconditions import Preconditions
from quiver.reconcile.collections.released import release_patch
from quiver.reconcile.identities import Identities

log = logging.getLogger(__name__)

_RESTS_ON_IDENTITY = (RecordClaim, ReplaceClaim, RecordLoss, RecordRelease, EngineStep, Release)
MOST_RETAINED = 1024
"""Entries in an engine's status. With more, the object would be slow to read and write."""


@dataclass(frozen=True)
class Tools:
    """What the actor carries out steps with."""

    objects: Objects
    engines: Engines
    events: EventRecorder
    keys: ClaimKeys
    identities: Identities
    clock: Clock


class Actor:
    """Carries out the steps of one reconcile.

    After each step `manifest` is the object as the API server returned it; None once its finalizer
    is removed.

    What was gathered may be stale: lists and watches lag, the process may have been suspended, and
    the object may have been changed or deleted since. A PATCH fails then, because of its
    preconditions. A call to the engine or a write of a Secret would not. So the actor makes them
    only after the API server has confirmed the object's version, and calls to the engine only after
    the member has confirmed its identity.
    """

    def __init__(self, gathered: Gathered, tools: Tools) -> None:
        self.manifest: Manifest | None = gathered.manifest
        self.made: list[str] = []
        """The tags of the partitions created so far."""
        self._gathered = gathered
        self._objects = tools.objects
        self._engines = tools.engines
        self._events = tools.events
        self._keys = tools.keys
        self._claimed_manifest = gathered.manifest if gathered.claim is not None else None
        self._clock = tools.clock
        self._preconditions = Preconditions(gathered, tools.objects, tools.identities)

    async def do(self, step: Step) -> None:
        """Carry out one step. Raises: EngineError, ApiError; Conflict or NotFound if the object has
        changed or is gone since it was gathered.
        """
        collection = self._gathered.collection
        self._preconditions.begin_step()
        if isinstance(step, _RESTS_ON_IDENTITY):
            await self._preconditions.member_is_the_same()
        match step:
            case RecordClaim(claim):
                self._preconditions.engine_takes_collections()
                annotation = self._keys.signed(claim, len(collection.spec.partitions))
                await self._patch(recording_patch(collection, annotation))
                self._claimed_manifest = self.manifest
            case ReplaceClaim(claim):
                # What the status says of the mark and the properties is of the other server.
                await self._patch_status({**replacing_status(claim), "milvus": None})
            case KeepFinalizer():
                await self._patch(finalizing_patch(collection))
            case Release():
                await self._patch(releasing_patch(collection))
                self.manifest = None
            case ApplySecret(manifest):
                await self._object_is_unchanged()
                await self._objects.apply(SECRET, manifest)
            case DeleteSecret(manifest):
                await self._object_is_unchanged()
                await self._objects.delete(SECRET, manifest)
            case PublishEvent(event):
                await self._publish(event)
            case NoteRetained() | RecordLoss() | RecordRelease():
                await self._write_status(step)
            case _:
                await self._object_is_unchanged()
                self._preconditions.reads_are_recent()
                await self._do_on_engine(step)

    async def keep_claim(self, claim: Claim | None) -> None:
        """Write a claim that steps may have rested on into the status, if only the annotation holds
        it: a user may have wiped that meanwhile. The uid is the only precondition.

        If the object is gone, take note of what it leaves. Raises: ApiError.
        """
        g, manifest = self._gathered, self._claimed_manifest
        if claim is None or manifest is None or has_status_claim(g.manifest):
            return
        key, uid = g.collection.metadata.key, g.collection.metadata.uid
        found = await self._objects.fetch(VECTOR_COLLECTION, key)
        if found is not None and uid_of(found) == uid and has_status_claim(found):
            return  # the answer to the write of the status was lost
        status = {**replacing_status(claim), "partitions": self._partitions_there()}
        try:
            await self._objects.merge_status(VECTOR_COLLECTION, key, uid, status)
        except (Conflict, NotFound):
            self._objects.abandon(manifest)

    def _partitions_there(self) -> list[str]:
        g = self._gathered
        there = {*self.made, *(g.observed.partitions if g.observed else ())}
        return [tag for tag in g.collection.spec.partitions if tag in there]

    async def _object_is_unchanged(self) -> None:
        assert self.manifest is not None
        await self._preconditions.object_is_unchanged(self.manifest)

    async def _publish(self, event: Event) -> None:
        if (event.type, event.reason) == ("Warning", "Left"):
            log.warning("%s", event.note)  # neither the object nor the Event stays to say so
        await self._events.record(self._gathered.manifest, event)

    async def _patch(self, patch: Manifest) -> None:
        assert self.manifest is not None
        self.manifest = await self._objects.patch(VECTOR_COLLECTION, self.manifest, patch)
        self._preconditions.object_was_written()

    async def _patch_status(self, status: Manifest) -> None:
        assert self.manifest is not None
        self.manifest = await self._objects.patch_status(VECTOR_COLLECTION, self.manifest, status)
        self._preconditions.object_was_written()

    async def _write_status(self, step: StatusStep) -> None:
        match step:
            case RecordLoss(what):
                await self._record_loss(what)
            case RecordRelease(verdict):
                collection, now = self._gathered.collection, self._clock.now()
                await self._patch_status(release_patch(collection, verdict, now))
            case NoteRetained():
                await self._note(step)

    async def _record_loss(self, what: str) -> None:
        assert self.manifest is not None
        collection = msgspec.convert(self.manifest, VectorCollection)
        before, now = collection.status.conditions, self._clock.now()
        conditions = with_loss(what, before, collection.metadata, now)
        await self._patch_status({"conditions": msgspec.to_builtins(conditions)})
        log.warning("%s", what)

    async def _note(self, step: NoteRetained) -> None:
        """Merge one entry into the engine's status, without a precondition: other reconciles write
        other entries.
        """
        engine = self._gathered.engine_there
        retained, place = engine.status.retained, retained_as(step.claim)
        if step.owner is None or place in retained or len(retained) < MOST_RETAINED:
            entry = {place: step.owner}
            await self._objects.merge_status(
                VECTOR_ENGINE, engine.metadata.key, engine.metadata.uid, {"retained": entry}
            )

    async def _do_on_engine(self, step: EngineStep) -> None:
        try:
            await self._call_engine(step)
        except EngineRefused:
            # An earlier call that timed out may have taken effect after the observation.
            if not await self._is_done(step):
                raise

    async def _is_done(self, step: EngineStep) -> bool:
        client, name = self._client(), self._gathered.collection_name
        if isinstance(step, SetIndex):
            # An engine may note the index and refuse all the same: the build failed, or many wait.
            return _has_index(await client.describe_index(name), step.index)
        if client.loads is not None and isinstance(step, MilvusStep):
            return await is_done(step, name, client, client.loads)
        if client.fields is not None and isinstance(step, FieldStep):
            return await is_done_on_fields(step, name, client, client.fields)
        found = await client.describe(name)
        match step:
            case CreateCollection(schema, properties):
                return found is not None and _is_as_created(found, schema, properties)
            case CreatePartition(tag):
                return found is not None and tag in found.partitions
            case _:
                return False

    async def _call_engine(self, step: EngineStep) -> None:
        client, name = self._client(), self._gathered.collection_name
        match step:
            case CreateCollection(schema, properties):
                await client.create(schema, properties)
            case DropCollection():
                await client.drop(name)
            case CreatePartition(tag):
                await client.create_partition(name, tag)
                self.made.append(tag)
            case DropPartition(tag):
                await client.drop_partition(name, tag)
            case SetIndex(index, metric_type):
                await client.set_index(name, index, metric_type)
            case CreateDatabase() | AlterProperties() | LoadCollection() | ReleaseCollection():
                assert client.loads is not None, "policies ask no other engine for these"
                await do_on_milvus(step, name, client.loads)
            case _:
                assert client.fields is not None, "policies ask no other engine for these"
                await do_on_fields(step, name, client.fields)

    def _client(self) -> EngineClient:
        return self._engines.at(self._gathered.target)


def _has_index(found: ObservedIndex, wanted: Index | None) -> bool:
    if wanted is None:
        return found.index is None and not found.missing
    return wanted.is_met_by(found.index)


def _is_as_created(
    found: ObservedCollection, schema: CollectionSchema, properties: Mapping[str, str]
) -> bool:
    """Tell whether it is the collection of this object's own call: another cluster's may have made
    one of the name meanwhile, with its own mark.
    """
    mark = properties.get(OWNER_PROPERTY)
    is_own = found.properties.get(OWNER_PROPERTY, mark) == mark
    return is_own and not any(schema.differences(found.schema))
