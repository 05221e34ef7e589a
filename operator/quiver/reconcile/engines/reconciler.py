"""The reconcile of one VectorEngine: gather, decide, act, report."""

from dataclasses import replace

import msgspec

from quiver.domain.conditions import Verdict, conditions_for
from quiver.domain.engines import EngineStatus, VectorEngine
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Key, Manifest
from quiver.domain.reasons import Reason
from quiver.ports.clock import Clock
from quiver.ports.engines import Engines
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.engines.decide import Decision, decide, highest_replicas
from quiver.reconcile.engines.gather import Gathered, gather
from quiver.reconcile.engines.workload import selector_of
from quiver.reconcile.identities import Identities
from quiver.reconcile.report import report_invalid_spec, status_patch
from quiver.reconcile.result import Result


class EngineReconciler:
    """Applies the workload of a managed engine, and reports the state of any engine.

    Kubernetes' garbage collector deletes the workload with its owner: no finalizer is needed.
    """

    def __init__(
        self,
        objects: Objects,
        engines: Engines,
        dialling: Dialling,
        identities: Identities,
        clock: Clock,
        engine_image: str,
    ) -> None:
        self._objects = objects
        self._dialling = dialling
        self._identities = identities
        self._engines = engines
        self._clock = clock
        self._engine_image = engine_image

    async def reconcile(self, key: Key) -> Result:
        manifest = self._objects.get(VECTOR_ENGINE, key)
        if manifest is None:
            self._dialling.forget(key)
            self._identities.forget(key)
            return Result.DONE
        try:
            engine = msgspec.convert(manifest, VectorEngine)
        except msgspec.ValidationError as error:
            now = self._clock.now()
            return await report_invalid_spec(VECTOR_ENGINE, manifest, error, self._objects, now)
        gathered = await gather(engine, self._objects, self._engines, self._dialling)
        decision = await self._apply(decide(gathered, self._engine_image))
        await self._report(decision, manifest, gathered)
        return Result.RETRY if decision.retry else Result.DONE

    async def _apply(self, decision: Decision) -> Decision:
        try:
            for kind, desired in decision.manifests:
                await self._objects.apply(kind, desired)
        except ApiRefused as error:
            # A quota, a policy or missing rights: their removal triggers no event of this object.
            verdict = Verdict.stalled(Reason.APPLY_REFUSED, str(error))
            return replace(decision, verdict=verdict, retry=True)
        return decision

    async def _report(self, decision: Decision, manifest: Manifest, gathered: Gathered) -> None:
        engine = gathered.engine
        status = self._status(decision, gathered)
        if status != engine.status:
            patch = status_patch(status, engine.status)
            del patch["retained"]  # written by the reconciles of collections
            await self._objects.patch_status(VECTOR_ENGINE, manifest, patch)

    def _status(self, decision: Decision, gathered: Gathered) -> EngineStatus:
        engine, generation = gathered.engine, gathered.engine.metadata.generation
        managed = engine.spec.external is None
        return EngineStatus(
            observed_generation=generation,
            conditions=conditions_for(
                decision.verdict,
                generation=generation,
                previous=engine.status.conditions,
                now=self._clock.now(),
            ),
            replicas=len(gathered.pods) if managed else None,
            ready_replicas=sum(p.ready for p in gathered.pods) if managed else None,
            selector=selector_of(engine) if managed else None,
            highest_replicas=highest_replicas(gathered) if managed else None,
            retained=engine.status.retained,
        )
