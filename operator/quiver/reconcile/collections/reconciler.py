"""The reconcile of one VectorCollection: gather, decide, act, report."""

from dataclasses import replace

import msgspec

from quiver.domain.claims import claim_of
from quiver.domain.collections import CollectionStatus, VectorCollection
from quiver.domain.conditions import conditions_for
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.ports.clock import Clock
from quiver.ports.errors import Conflict, EngineError
from quiver.reconcile.collections.act import Actor, Tools
from quiver.reconcile.collections.assignment import assign
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import Decision, RecordClaim
from quiver.reconcile.collections.gather import Sources, gather
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.observe import observe
from quiver.reconcile.report import report_invalid_spec, status_patch
from quiver.reconcile.result import Result


class CollectionReconciler:
    """Creates and converges the collection of a VectorCollection, or drops or retains it."""

    def __init__(self, sources: Sources, tools: Tools, clock: Clock) -> None:
        self._objects = tools.objects
        self._sources = sources
        self._tools = tools
        self._clock = clock
        self._reservations = sources.reservations

    async def reconcile(self, key: Key) -> Result:
        result = await self._reconcile(key)
        # Not after an exception: a claim may exist although the answer to its write was lost.
        self._reservations.release(key)
        return result

    async def _reconcile(self, key: Key) -> Result:
        manifest = self._objects.get(VECTOR_COLLECTION, key)
        if manifest is None:
            return Result.DONE
        try:
            collection = msgspec.convert(manifest, VectorCollection)
        except msgspec.ValidationError as error:
            now = self._clock.now()
            return await report_invalid_spec(VECTOR_COLLECTION, manifest, error, self._objects, now)
        decision, manifest = await self._decide_and_act(manifest, collection)
        if manifest is not None:
            await self._report(decision, manifest, collection)
        return Result.RETRY if decision.retry else Result.DONE

    async def prepare(self, manifest: Manifest, collection: VectorCollection) -> Gathered:
        """Gather what a decision is made from, and reserve the name and the room that it may use.

        The reservation is made before the member is asked for the collection, so that no other
        object can claim what is found there. Raises: ApiError; Conflict while another object is
        about to claim the name.
        """
        gathered = await gather(manifest, collection, self._sources)
        # No await between the last read of the cache and the reservation.
        assignment, key = assign(gathered), collection.metadata.key
        if assignment.contested is not None:
            rival = self._reservations.rival(key, assignment.contested)
            if rival is not None:
                # That reconcile ends in a moment; until then there is nothing to report.
                raise Conflict(f"VectorCollection {rival} is about to claim the name")
        if assignment.reserved is not None:
            self._reservations.reserve(key, assignment.reserved)
        return await observe(replace(gathered, holder=assignment.holder), self._sources)

    async def _decide_and_act(
        self, manifest: Manifest, collection: VectorCollection
    ) -> tuple[Decision, Manifest | None]:
        gathered = await self.prepare(manifest, collection)
        decision = decide(gathered)
        actor = Actor(gathered, self._tools)
        try:
            for step in decision.steps:
                await actor.do(step)
                if isinstance(step, RecordClaim) and gathered.lapsed is None:
                    self._reservations.claimed(collection.metadata.key)
        except EngineError as error:
            claim = claim_of(actor.manifest or manifest)
            made = tuple(tag for tag in actor.made if tag not in collection.status.partitions)
            failed = decide_after_failure(gathered, error)
            decision = replace(failed, claim=claim, made_partitions=made)
        return decision, actor.manifest

    async def _report(
        self, decision: Decision, manifest: Manifest, collection: VectorCollection
    ) -> None:
        # A step may have written a claim into the status.
        before = msgspec.convert(manifest.get("status", {}), CollectionStatus)
        status = self._status(decision, collection)
        if status != before:
            patch = status_patch(status, before)
            await self._objects.patch_status(VECTOR_COLLECTION, manifest, patch)

    def _status(self, decision: Decision, collection: VectorCollection) -> CollectionStatus:
        before, generation = collection.status, collection.metadata.generation
        claim, spec = decision.claim, collection.spec
        partitions = (*before.partitions, *decision.made_partitions)
        retained = before.retained_partitions
        if decision.converged:
            partitions = (*spec.partitions, *decision.kept_partitions)
            retained = decision.retained_partitions or None
        return CollectionStatus(
            observed_generation=generation,
            conditions=conditions_for(
                decision.verdict,
                generation=generation,
                previous=before.conditions,
                now=self._clock.now(),
            ),
            collection_name=collection.collection_name,
            origin=claim.origin if claim and decision.converged else before.origin,
            claim=claim,
            placement=decision.placement,
            partitions=partitions,
            retained_partitions=retained,
            index=spec.index if decision.converged else before.index,
            binding=decision.binding if decision.converged else before.binding,
        )
