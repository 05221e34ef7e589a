"""Asks the operator's own code what it would do for each object of the future cluster."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from quiver.adapters.pem import OpenSslPem
from quiver.commands.planning.answers import Answers
from quiver.commands.planning.future import Future
from quiver.commands.planning.live import Live
from quiver.commands.planning.read_only import NoEvents, NotAllowed, ReadOnlyApi, ReadOnlyEngines
from quiver.commands.planning.standing import StandingReservations
from quiver.control.cache.cached_objects import CachedObjects
from quiver.domain.addresses import AddressPolicy
from quiver.domain.claims import ClaimKeys, is_released
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.collections import VectorCollection
from quiver.domain.conditions import State, ready_reason
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.plans import Action, Change, Stake
from quiver.domain.reasons import Reason
from quiver.domain.row_sizes import row_size
from quiver.domain.text import one_line
from quiver.ports.engines import Engines
from quiver.ports.errors import ApiRefused, Conflict, EngineError
from quiver.ports.names import Names
from quiver.reconcile.collections.act import Tools
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import Decision
from quiver.reconcile.collections.foreseen import Foreseen, foresee, is_unheard
from quiver.reconcile.collections.gather import Sources
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.reconciler import CollectionReconciler
from quiver.reconcile.credentials import Credentials
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities

MESSAGE = 1000
NOT_ALLOWED = "NotAllowed"


class Now:
    """Implements `quiver.ports.clock.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class Reach:
    """What a plan reads from besides the cache."""

    api: ReadOnlyApi
    strict_api: ReadOnlyApi
    engines: Engines
    names: Names
    policy: AddressPolicy


class Planner:
    """Plans one collection after the other. The room and the names that one takes are taken for
    those that follow, as reconciles reserve them.
    """

    def __init__(self, future: Future, live: Live, answers: Answers, reach: Reach) -> None:
        self._future = future
        self._live = live
        self._answers = answers
        self.engines = ReadOnlyEngines(reach.engines)
        self.objects = CachedObjects(future.cache, reach.api)
        strict = CachedObjects(future.cache, reach.strict_api)
        credentials = Credentials(strict, OpenSslPem(), _nothing)
        self.dialling = Dialling(strict, credentials, reach.names, reach.policy, _nothing)
        self.identities = Identities(self.engines)
        sources = Sources(
            objects=self.objects,
            engines=self.engines,
            dialling=self.dialling,
            identities=self.identities,
            reservations=StandingReservations(),
        )
        tools = Tools(self.objects, self.engines, NoEvents(), ClaimKeys(), self.identities, Now())
        self._reconciler = CollectionReconciler(sources, tools)

    async def collection(self, key: Key) -> Change:
        """Return what becomes of the collection. It is decided by the operator's own policies."""
        manifest = self._future.cache.get(VECTOR_COLLECTION, key)
        assert manifest is not None, "what is planned is in the cache"
        try:
            collection = msgspec.convert(manifest, VectorCollection)
        except msgspec.ValidationError as error:
            return self._change(key, Action.REFUSED, Reason.INVALID_SPEC, str(error))
        if is_released(manifest):
            return self._change(key, Action.NONE, Reason.RELEASED)
        unseen = self._why_unseen(collection)
        if unseen is not None:
            return self._change(key, Action.UNKNOWN, NOT_ALLOWED, unseen)
        return await self._prepared(manifest, collection)

    async def _prepared(self, manifest: Manifest, collection: VectorCollection) -> Change:
        key = collection.metadata.key
        try:
            gathered = await self._reconciler.prepare(manifest, collection)
        except Conflict as error:
            return self._change(key, Action.REFUSED, Reason.NAME_TAKEN, f"{error}.")
        except (NotAllowed, ApiRefused) as error:
            return self._change(key, Action.UNKNOWN, NOT_ALLOWED, str(error))
        except msgspec.ValidationError as error:
            words = f"VectorEngine {collection.engine_key} is not valid: {error}"
            return self._change(key, Action.UNKNOWN, Reason.INVALID_SPEC, words)
        return await self._decided(manifest, gathered, decide(gathered))

    async def _decided(self, manifest: Manifest, g: Gathered, decision: Decision) -> Change:
        key, foreseen, verdict = g.collection.metadata.key, foresee(g, decision), decision.verdict
        if foreseen.action is not Action.DROP and is_unheard(g, decision):
            return self._change(key, Action.UNKNOWN, verdict.reason, verdict.message)
        change = self._change(key, foreseen.action)
        if verdict.state is not State.READY and foreseen.action is not Action.RELEASE:
            message = "" if _is_told(foreseen, decision) else self._told(g, verdict.message)
            change = replace(change, reason=verdict.reason, message=one_line(message, MESSAGE))
        return replace(
            change,
            what=foreseen.what,
            stakes=tuple([await self._stake(g, foreseen, name) for name in foreseen.dropped]),
            interrupts=foreseen.interrupts,
            is_change=bool(foreseen.what) or self._is_change(manifest, change),
        )

    def _is_change(self, manifest: Manifest, change: Change) -> bool:
        """Tell whether a collection for which nothing is done is changed all the same."""
        of = VECTOR_COLLECTION, change.key
        if change.fields or self._future.is_new(of) or of in self._answers.going:
            return True
        if change.action is Action.WAITS:
            return ready_reason(manifest) != change.reason
        return change.action is not Action.NONE

    def _change(self, key: Key, action: Action, reason: str = "", message: str = "") -> Change:
        fields = self._future.changed_fields((VECTOR_COLLECTION, key))
        return Change(
            kind=VECTOR_COLLECTION,
            key=key,
            action=Action.CHANGE if fields and action is Action.NONE else action,
            fields=fields,
            reason=reason,
            message=one_line(message, MESSAGE),
            is_change=action is not Action.NONE or bool(fields),
        )

    def _told(self, g: Gathered, message: str) -> str:
        """Return the message; of an engine that is new too, say so."""
        engine = g.collection.engine_key
        if g.engine is not None and self._future.is_new((VECTOR_ENGINE, engine)):
            return f"VectorEngine {engine} is new in these manifests, too. {message}"
        return message

    async def _stake(self, g: Gathered, foreseen: Foreseen, name: str) -> Stake:
        schema = g.observed.schema if g.observed is not None else _asked_for(g)
        tag = None if foreseen.action is Action.DROP else name
        size = row_size(schema, g.collection.spec.metric_type)
        if g.server is None or g.member is None or g.observed is None:
            return Stake(name, None, size)
        size = replace(size, is_least=size.is_least or bool(g.observed.other_fields))
        try:
            rows = await self.engines.at(g.target).count_rows(g.collection_name, tag)
        except EngineError:
            return Stake(name, None, size)
        return Stake(name, rows, size)

    def _why_unseen(self, collection: VectorCollection) -> str | None:
        """Return why the engine cannot be looked at, if it cannot."""
        key = collection.engine_key
        why = self._live.why_unseen(VECTOR_ENGINE, key.namespace)
        engine = self._future.cache.get(VECTOR_ENGINE, key)
        if engine is None:
            return why
        try:
            is_external = msgspec.convert(engine, VectorEngine).spec.external is not None
        except msgspec.ValidationError:
            return None
        return None if is_external else self._live.why_unseen(POD, key.namespace)


def _is_told(foreseen: Foreseen, decision: Decision) -> bool:
    """Tell whether the steps say all: what the verdict adds is that they take their time."""
    return (
        bool(foreseen.what) and decision.converged and decision.verdict.state is not State.STALLED
    )


def _asked_for(g: Gathered) -> CollectionSchema:
    spec = g.collection.spec
    return CollectionSchema(
        name=g.collection_name, dimension=spec.dimension or 0, metric_type=spec.metric_type
    )


def _nothing(_engine: Key) -> None:
    pass
