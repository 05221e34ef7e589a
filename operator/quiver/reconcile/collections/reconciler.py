"""The reconcile of one VectorCollection: gather, decide, act, report."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import msgspec
from msgspec import structs

from quiver.domain.claims import claim_of, is_released
from quiver.domain.collections import CollectionStatus, MilvusStatus, VectorCollection
from quiver.domain.data_loss import unacknowledged
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Key, Manifest
from quiver.domain.reasons import Reason
from quiver.ports.errors import ApiError, ApiRefused, Conflict, EngineError, PortError
from quiver.reconcile.collections.abandoned import record_abandoned
from quiver.reconcile.collections.act import Actor, Tools
from quiver.reconcile.collections.assignment import assign
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import CreateCollection, Decision, RecordClaim, Step
from quiver.reconcile.collections.gather import Sources, gather
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import held_after
from quiver.reconcile.collections.observe import observe
from quiver.reconcile.collections.provisional import has_reported, is_provisional
from quiver.reconcile.collections.refusals import after_refused_read, after_refused_step
from quiver.reconcile.collections.searching import searched
from quiver.reconcile.report import Reporter, status_patch
from quiver.reconcile.result import Result

MOST_PROPERTIES = 64
"""Names of properties in a status."""
KEEP_S = 1.0
"""How long a reconcile that is cancelled may take to keep its claim."""


class CollectionReconciler:
    """Creates and converges the collection of a VectorCollection, or drops or retains it."""

    def __init__(self, sources: Sources, tools: Tools) -> None:
        self._objects = tools.objects
        self._sources = sources
        self._tools = tools
        self._reporter = Reporter(tools.objects, tools.events, tools.clock)
        self._reservations = sources.reservations

    async def reconcile(self, key: Key) -> Result:
        refusal = await record_abandoned(key, self._sources, self._tools)
        result = await self._reconcile(key)
        # Not after an exception: a claim may exist although the answer to its write was lost.
        self._reservations.release(key)
        if refusal is not None:
            raise refusal
        return result

    async def _reconcile(self, key: Key) -> Result:
        manifest = self._objects.get(VECTOR_COLLECTION, key)
        if manifest is None:
            return Result.DONE
        try:
            collection = msgspec.convert(manifest, VectorCollection)
        except msgspec.ValidationError as error:
            return await self._reporter.invalid_spec(VECTOR_COLLECTION, manifest, error)
        if is_released(manifest):
            return Result.DONE
        try:
            gathered = await self.prepare(manifest, collection)
        except ApiRefused as error:
            decision = after_refused_read(manifest, collection, error)
            await self._report(decision, manifest, collection)
        else:
            decision = decide(gathered)
            if is_provisional(gathered, decision):
                if has_reported(gathered):
                    return Result.RETRY
                decision = replace(decision, retry=True)
            decision = await self._carry_out(decision, gathered)
            if decision.verdict.reason is Reason.CREDENTIALS_REFUSED:
                self._sources.refused_logins.note(collection.engine_key, decision.verdict.message)
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
        held = replace(
            gathered, holder=assignment.holder, holder_is_going=assignment.holder_is_going
        )
        return await observe(held, self._sources)

    async def _carry_out(self, decision: Decision, gathered: Gathered) -> Decision:
        """Act and report; return the decision that was reported."""
        actor = Actor(gathered, self._tools)
        try:
            decision = await self._act(decision, gathered, actor)
            decision = await searched(decision, gathered, self._tools.engines)
            if actor.manifest is not None:
                await self._report(decision, actor.manifest, gathered.collection)
        except ApiError:
            await actor.keep_claim(decision.claim)
            raise
        except asyncio.CancelledError:
            # The reconcile took too long, or the operator ends.
            with suppress(PortError, TimeoutError):
                async with asyncio.timeout(KEEP_S):
                    await actor.keep_claim(decision.claim)
            raise
        return decision

    async def _act(self, decision: Decision, gathered: Gathered, actor: Actor) -> Decision:
        """Carry out the steps; return the decision, or the one to report if a step failed."""
        collection, done = gathered.collection, list[Step]()
        for number, step in enumerate(decision.steps):
            try:
                await actor.do(step)
            except EngineError as error:
                failed = decide_after_failure(gathered, error)
            except ApiRefused as error:
                failed = after_refused_step(gathered, decision, step, error)
            else:
                done.append(step)
                if isinstance(step, RecordClaim) and gathered.lapsed is None:
                    self._reservations.claimed(collection.metadata.key)
                continue
            claim = claim_of(actor.manifest or gathered.manifest)
            made = tuple(tag for tag in actor.made if tag not in collection.status.partitions)
            is_to_come = any(isinstance(s, CreateCollection) for s in decision.steps[number:])
            known = failed if claim is None or is_to_come else decision
            return replace(
                failed,
                claim=claim,
                placement=known.placement,
                schema=known.schema,
                made_partitions=made,
                held=held_after(gathered, done),
            )
        return replace(decision, held=held_after(gathered, done))

    async def _report(
        self, decision: Decision, manifest: Manifest, collection: VectorCollection
    ) -> None:
        # A step may have written a claim or a loss into the status.
        before = msgspec.convert(manifest.get("status", {}), CollectionStatus)
        status = self._status(decision, collection, before)
        if status != before:
            patch = status_patch(status, before)
            await self._reporter.write(VECTOR_COLLECTION, manifest, patch, decision.verdict)

    def _status(
        self, decision: Decision, collection: VectorCollection, before: CollectionStatus
    ) -> CollectionStatus:
        claim, spec = decision.claim, collection.spec
        generation, annotations = collection.metadata.generation, collection.metadata.annotations
        partitions = (*before.partitions, *decision.made_partitions)
        retained = before.retained_partitions
        if decision.converged:
            partitions = (*spec.partitions, *decision.kept_partitions)
            retained = decision.retained_partitions or None
        # A collection's schema never changes, so that what was once seen of it holds.
        known = decision.schema or before
        return CollectionStatus(
            observed_generation=generation,
            conditions=(
                *self._reporter.conditions(
                    decision.verdict, generation=generation, previous=before.conditions
                ),
                *unacknowledged(before.conditions, annotations, converged=decision.converged),
            ),
            collection_name=collection.collection_name,
            origin=claim.origin if claim and decision.placement else before.origin,
            claim=claim,
            placement=decision.placement,
            partitions=partitions,
            retained_partitions=retained,
            index_file_size=known.index_file_size,
            metric_type=known.metric_type,
            index=spec.index if decision.converged else before.index,
            milvus=_milvus_status(decision, collection, before.milvus),
            binding=decision.binding if decision.converged else before.binding,
            managed_by=before.managed_by,
        )


def _milvus_status(
    decision: Decision, collection: VectorCollection, before: MilvusStatus | None
) -> MilvusStatus | None:
    """Return what the status says of a collection on Milvus. While the steps are not done, each
    property that was set may still be there, and so may each index. What the server was last seen
    to have stays until it is seen again.
    """
    known = before or MilvusStatus()
    if decision.held is not None:
        known = structs.replace(known, **structs.asdict(decision.held))
    if decision.converged:
        if decision.load is None:
            return None
        return structs.replace(
            known, load=decision.load, indexes=decision.indexes, properties=decision.properties
        )
    if decision.claim is not None and collection.spec.milvus is not None:
        names = sorted({*known.properties, *collection.milvus.properties})[:MOST_PROPERTIES]
        known = structs.replace(known, properties=tuple(names))
    return before if known == MilvusStatus() else known
