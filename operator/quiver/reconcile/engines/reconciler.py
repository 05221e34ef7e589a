"""The reconcile of one VectorEngine: gather, decide, act, report."""

import dataclasses
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.clear_credentials import clear_condition
from quiver.domain.engines import EngineStatus, VectorEngine
from quiver.domain.ephemeral_data import ephemeral_condition
from quiver.domain.installation import Installation
from quiver.domain.kubernetes_types import (
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    STATEFUL_SET,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.outdated_pods import outdated_condition, standing
from quiver.domain.possession import ENGINE_FINALIZER
from quiver.domain.troubles import (
    NOTHING_HEARD,
    full_disks,
    trouble_conditions,
    with_trouble,
)
from quiver.ports.engines import Engines
from quiver.ports.errors import ApiRefused
from quiver.ports.kubernetes import Objects
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.engines.answers import Answers
from quiver.reconcile.engines.decide import Decision, decide
from quiver.reconcile.engines.default_image import default_image
from quiver.reconcile.engines.deletion import begins_to_wait, own_parts
from quiver.reconcile.engines.gather import Gathered, gather
from quiver.reconcile.engines.possession import Possession
from quiver.reconcile.engines.scaling import highest_replicas
from quiver.reconcile.engines.upgrade_turns import UpgradeTurns
from quiver.reconcile.engines.version import version_of
from quiver.reconcile.engines.workload import image_of, selector_of
from quiver.reconcile.identities import Identities
from quiver.reconcile.refusals import refused
from quiver.reconcile.report import Reporter, status_patch
from quiver.reconcile.result import Result

Write = Callable[[Kind, Manifest], Awaitable[object]]


class EngineReconciler:
    """Applies the workload of a managed engine, and reports the state of any engine.

    An engine has a finalizer, and the operator deletes its workload once no collection is on it:
    the garbage collector would not wait.
    """

    def __init__(
        self,
        objects: Objects,
        engines: Engines,
        dialling: Dialling,
        identities: Identities,
        reporter: Reporter,
        installation: Installation,
    ) -> None:
        self._objects = objects
        self._dialling = dialling
        self._identities = identities
        self._engines = engines
        self._reporter = reporter
        self._installation = installation
        self._answers = Answers()
        self._turns = UpgradeTurns(objects)
        self._possession = Possession(objects)

    async def reconcile(self, key: Key) -> Result:
        manifest = self._objects.get(VECTOR_ENGINE, key)
        if manifest is None:
            self._answers.forget(key)
            self._dialling.forget(key)
            self._identities.forget(key)
            await self._possession.remove_left(key)
            return Result.DONE
        try:
            engine = msgspec.convert(manifest, VectorEngine)
        except msgspec.ValidationError as error:
            return await self._reporter.invalid_spec(VECTOR_ENGINE, manifest, error)
        try:
            if engine.spec.external is not None:
                await self._possession.remove_left(key)
            held = await self._possession.hold(engine, manifest)
        except ApiRefused as error:
            decision = Decision(refused("the VectorEngine", error), retry=True)
            await self._report(decision, manifest, engine, self._judged(engine, decision, None))
            return Result.RETRY
        if held is not manifest:
            manifest, engine = held, msgspec.convert(held, VectorEngine)
        operator_pods = self._installation.operator_pods
        try:
            gathered = await gather(
                engine,
                self._objects,
                self._engines,
                self._dialling,
                operator_pods,
                self._identities,
            )
        except ApiRefused as error:
            outdated = standing(engine.status)
            decision = Decision(refused("a read", error), retry=True, outdated=outdated)
            status = self._judged(engine, decision, None)
        else:
            self._identities.note_disks(engine, full_disks(gathered.reports))
            decision, gathered = await self._decide_and_apply(gathered)
            status = self._status(decision, gathered)
        if decision.is_to_go and not decision.retry:
            manifest = await self._possession.release(engine, manifest)
            if engine.metadata.finalizers == (ENGINE_FINALIZER,):
                return Result.DONE
            # Others hold it: nothing that happens later would have this written.
        await self._report(decision, manifest, engine, status)
        return Result.RETRY if decision.retry else Result.DONE

    async def _decide_and_apply(self, gathered: Gathered) -> tuple[Decision, Gathered]:
        """Return the decision to report, and what it is made from."""
        decision = self._decide(gathered)
        if not decision.wants_turn or not self._turns.take(gathered.engine.metadata.key):
            return await self._apply(decision, gathered)
        gathered = dataclasses.replace(gathered, may_upgrade=True)
        try:
            return await self._apply(self._decide(gathered), gathered)
        finally:
            self._turns.begun()

    async def _apply(self, decision: Decision, gathered: Gathered) -> tuple[Decision, Gathered]:
        """Return the decision to report, and what it is made from: after a change, with the API
        server's answers, which may differ from what was applied.
        """
        live = dict[Kind, Manifest]()

        async def apply(kind: Kind, desired: Manifest) -> None:
            live[kind] = await self._objects.apply(kind, desired)
            self._answers.note(kind, desired, live[kind])

        writes: list[tuple[Write, Kind, Manifest]] = [
            *((apply, kind, desired) for kind, desired in decision.manifests),
            *((self._objects.delete, kind, found) for kind, found in decision.deletions),
        ]
        for write, kind, manifest in writes:
            try:
                await write(kind, manifest)
            except ApiRefused as error:
                what = f"{kind.kind} {manifest['metadata']['name']!r}"
                decision = dataclasses.replace(decision, verdict=refused(what, error), retry=True)
                return decision, gathered
        parts = {} if decision.is_to_go else {**dict(own_parts(gathered)), **live}
        try:
            live |= await self._possession.disown(gathered.engine, parts)
        except ApiRefused as error:
            told = refused("the owner reference", error)
            return dataclasses.replace(decision, verdict=told, retry=True), gathered
        if not live:
            return decision, gathered
        gathered = dataclasses.replace(
            gathered,
            service=live.get(SERVICE, gathered.service),
            stateful_set=live.get(STATEFUL_SET, gathered.stateful_set),
            network_policy=live.get(NETWORK_POLICY, gathered.network_policy),
            disruption_budget=live.get(POD_DISRUPTION_BUDGET, gathered.disruption_budget),
        )
        return self._decide(gathered), gathered

    def _decide(self, gathered: Gathered) -> Decision:
        answers = self._answers.of(gathered.engine.metadata.key)
        gathered = dataclasses.replace(gathered, answers=answers)
        return decide(gathered, self._installation.engine_image)

    async def _report(
        self, decision: Decision, manifest: Manifest, engine: VectorEngine, status: EngineStatus
    ) -> None:
        if status != engine.status:
            patch = status_patch(status, engine.status)
            del patch["retained"]  # written by the reconciles of collections
            await self._reporter.write(VECTOR_ENGINE, manifest, patch, decision.verdict)
        event = begins_to_wait(decision.verdict, engine.status.conditions)
        if event is not None:
            await self._reporter.tell(manifest, event)

    def _judged(
        self, engine: VectorEngine, decision: Decision, gathered: Gathered | None
    ) -> EngineStatus:
        """Return the engine's status with its conditions and manager, and all else as it was."""
        generation, previous = engine.metadata.generation, engine.status.conditions
        reports = NOTHING_HEARD if gathered is None else gathered.reports
        at_risk = None if gathered is None else gathered.is_data_at_risk
        now = self._reporter.now()
        troubles = trouble_conditions(reports, previous, generation, now)
        verdict = with_trouble(decision.verdict, troubles)
        conditions = (
            *self._reporter.conditions(verdict, generation=generation, previous=previous),
            *troubles,
            *ephemeral_condition(at_risk, previous, generation, now),
            *outdated_condition(decision.outdated, previous, generation, now),
            *clear_condition(engine.spec, previous, generation, now),
        )
        return replace(
            engine.status,
            observed_generation=generation,
            conditions=conditions,
            pending_upgrade=decision.outdated.upgrade if decision.outdated is not None else None,
            managed_by=self._installation.operator_pods.namespace,
        )

    def _status(self, decision: Decision, gathered: Gathered) -> EngineStatus:
        engine = gathered.engine
        managed = engine.spec.external is None
        return replace(
            self._judged(engine, decision, gathered),
            replicas=len(gathered.pods) if managed else None,
            ready_replicas=sum(p.ready for p in gathered.pods) if managed else None,
            selector=selector_of(engine) if managed else None,
            image=self._image(decision, gathered) if managed else None,
            highest_replicas=highest_replicas(gathered) if managed else None,
            default_image=self._default_image(gathered),
            version=version_of(gathered),
        )

    def _image(self, decision: Decision, gathered: Gathered) -> str | None:
        """Return the image of the pods. The StatefulSet has that of an upgrade before they do."""
        engine = gathered.engine
        if decision.is_held and engine.status.image is not None:
            return engine.status.image
        return image_of(engine, gathered.stateful_set)

    def _default_image(self, gathered: Gathered) -> str | None:
        """Return what the status is to record, so that a later operator knows it."""
        spec = gathered.engine.spec
        if not spec.is_ephemeral or not CAPABILITIES[spec.type].has_default_image:
            return None
        return default_image(gathered, self._installation.engine_image)
