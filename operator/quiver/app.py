"""Puts the operator together and runs it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    nullcontext,
)
from functools import partial

import aiohttp

from quiver import handlers
from quiver.adapters import http
from quiver.adapters.counted_events import CountedEvents
from quiver.adapters.interceptors import MetricsInterceptor
from quiver.adapters.kubernetes.events import ApiEventRecorder
from quiver.control.cache.cache import Cache
from quiver.control.cache.cached_objects import CachedObjects
from quiver.control.cache.echoes import Echoes
from quiver.control.cache.hints import Hints
from quiver.control.cache.log_fields import log_fields
from quiver.control.cache.other_operators import other_operators
from quiver.control.cache.relisting import Relister
from quiver.control.cache.triggers import Triggers
from quiver.control.cache.waiting import Waiting
from quiver.control.claim_keys import KeySecret
from quiver.control.drift.presence import PresenceChecks, PresenceRounds
from quiver.control.drift.resync import Queues, Resync
from quiver.control.drift.rounds import VerificationRounds
from quiver.control.observe.broadcaster import EventBroadcaster
from quiver.control.observe.collectors import collectors
from quiver.control.observe.metrics import Metrics
from quiver.control.observe.reach import log_lack_of_crd, log_reach
from quiver.control.observe.readiness import Readiness
from quiver.control.work.breakers import Breakers
from quiver.control.work.controller import Controller, Hooks, Pace
from quiver.control.work.interception import InterceptedEngines
from quiver.control.work.parking import Parking
from quiver.control.work.queue import WorkQueue
from quiver.domain.claims import ClaimKeys
from quiver.domain.installation import Installation, OperatorPods
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind
from quiver.domain.managers import Manager
from quiver.handlers import OnList, Session, Watch
from quiver.outside import Outside
from quiver.ports.clock import Clock
from quiver.queues import ENGINES, PRESENCE, WorkQueues
from quiver.reconcile.collections.act import Tools
from quiver.reconcile.collections.gather import Sources
from quiver.reconcile.collections.reconciler import CollectionReconciler
from quiver.reconcile.collections.reservations import Reservations
from quiver.reconcile.credentials import Credentials
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.engines.reconciler import EngineReconciler
from quiver.reconcile.identities import Identities
from quiver.reconcile.logins import RefusedLogins
from quiver.reconcile.management import ManagedCollections, ManagedEngines
from quiver.reconcile.report import Reporter
from quiver.settings import Settings

log = logging.getLogger(__name__)

WATCH_AGAIN_S = 1.0
FOLD_S = 1.0
"""How long the deletions of an engine's collections fold into one reconcile of the engine."""
PRESENCE_DEADLINE_S = 600.0
"""For all members of one engine, which may be 64 and answer just before the deadline of a call."""

Term = Callable[[Readiness], AbstractAsyncContextManager[None]]
"""Makes the context that an operator enters before it works. Its end cancels the operator."""


def unelected(_readiness: Readiness) -> AbstractAsyncContextManager[None]:
    """Return the term of an operator without leader election."""
    return nullcontext()


class Operator:
    """One operator. Several can run in one loop, each with its own cache, queues and metrics."""

    def __init__(
        self,
        outside: Outside,
        settings: Settings,
        metrics: Metrics | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`watch` keeps the cache current; None means kopf, which needs an API server to watch."""
        self.metrics = metrics or Metrics()
        self.readiness = Readiness()
        api, self._keys = outside.api, ClaimKeys()
        self.cache = Cache(self._keys)
        self._key_secret = KeySecret(api, settings.namespace, self._keys)
        self._api = api
        self._settings = settings
        self._watch_cluster = watch or self._watch_by_kopf
        self._relister = Relister(api, self.cache, self.readiness, settings.rights)
        measured = InterceptedEngines(outside.engines, MetricsInterceptor(self.metrics))
        self._breakers = Breakers(measured, self.metrics)
        self._queues = queues = WorkQueues(self.cache, self.metrics, settings)
        soon = partial(queues.engines.add_after, seconds=FOLD_S)
        self.cache.subscribe(Triggers(self.cache, queues.collections.add, queues.engines.add, soon))
        self.cache.subscribe(
            Hints(self.cache.all, self._breakers.look_again, self._breakers.forget)
        )
        self._manager = Manager(settings.namespace, settings.take_over)
        counted = collectors(
            partial(self.cache.all, VECTOR_COLLECTION),
            partial(self.cache.all, VECTOR_ENGINE),
            partial(other_operators, self.cache, self._manager),
        )
        for collector in counted:
            self.metrics.registry.register(collector)
        parking = self._parking("vectorcollection", queues.collections)
        self._objects = CachedObjects(self.cache, api)
        enqueue = queues.add_collections_of
        credentials = Credentials(self._objects, outside.pem, enqueue, settings.rights)
        self._dialling = Dialling(
            self._objects, credentials, outside.names, settings.addresses, enqueue
        )
        self._identities = Identities(self._breakers)
        self.cache.subscribe(
            Waiting(self.cache, queues.collections.add, self._identities.engines_at)
        )
        self._presence_checks = PresenceChecks(
            self.cache,
            self._breakers,
            self._dialling,
            self._identities,
            queues.collections.add,
            self._objects,
        )
        self._presence_rounds = PresenceRounds(
            self.cache, queues.presence.add, settings.resync_period
        )
        unready = Queues(queues.collections.add, queues.engines.add, parking)
        self._resync = Resync(self._relister, self.cache, unready, settings.resync_period)
        self._rounds = VerificationRounds(
            self.cache, queues.collections.add, settings.verify_period
        )
        self._broadcaster = EventBroadcaster(ApiEventRecorder(api, outside.clock))
        self._controllers = self._make_controllers(outside.clock, parking)

    async def run(self, term: Term = unelected) -> None:
        """Work until cancelled, then end within seconds.

        Raises: OSError if the address for probes and metrics cannot be bound.
        """
        async with AsyncExitStack() as stack:
            if self._settings.http is not None:
                app = http.application(self.readiness, self.metrics.registry)
                address = await stack.enter_async_context(http.serving(app, *self._settings.http))
                log.info("probes and metrics at http://%s", address)
            log_reach(self._settings.rights)
            await stack.enter_async_context(term(self.readiness))
            # The workers start once the keys are loaded and the cache is filled: without keys no
            # claim in an annotation is valid, and a partial cache leads to wrong decisions.
            await self._key_secret.load(self.readiness)
            await self._relister.fill()
            await log_lack_of_crd(self._api, self._settings.rights)
            await stack.enter_async_context(self._breakers.probing())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(), name="watch")
                group.create_task(self._resync.run(), name="resync")
                group.create_task(self._rounds.run(), name="verification rounds")
                group.create_task(self._broadcaster.run(), name="events")
                group.create_task(self._presence_rounds.run(), name="presence rounds")
                keeping = self._key_secret.keep_current(self._settings.resync_period)
                group.create_task(keeping, name="claim keys")
                for controller in self._controllers:
                    group.create_task(controller.run())

    async def _watch(self) -> None:
        while True:
            try:
                await self._watch_cluster(self.cache, self._watch_session, self._resync.nudge)
            except Exception as error:  # noqa: BLE001 - kopf's failure must not end the operator
                log.warning("the watch ended and restarts: %s", error)
            await asyncio.sleep(WATCH_AGAIN_S)
            # kopf watches only the kinds that exist when it starts.
            await self._relister.fill()

    async def _watch_by_kopf(self, cache: Cache, session: Session, on_list: OnList) -> None:
        await handlers.watch(cache, session, on_list, self._settings.rights.reachable)

    def _watch_session(self, on_list: Callable[[], None]) -> tuple[str, aiohttp.ClientSession]:
        echoes = Echoes(self.cache)
        return self._api.server, self._api.watch_session(on_list, echoes, echoes.take)

    def _parking(self, controller: str, queue: WorkQueue) -> Parking:
        size = self.metrics.parked.labels(controller)
        return Parking(self._breakers, queue.add_afresh, size.set)

    def _make_controllers(self, clock: Clock, parking: Parking) -> tuple[Controller, ...]:
        objects, engines = self._objects, self._breakers
        # Counted before it is published: an alert must not wait for the API server.
        events = CountedEvents(self._broadcaster, self.metrics)
        sources = Sources(
            objects=objects,
            engines=engines,
            dialling=self._dialling,
            identities=self._identities,
            reservations=Reservations(),
            rights=self._settings.rights,
            refused_logins=RefusedLogins(self._queues.engines.add),
        )
        tools = Tools(objects, engines, events, self._keys, self._identities, clock)
        collections = CollectionReconciler(sources, tools)
        settings, reporter = self._settings, Reporter(objects, events, clock)
        installation = Installation(
            settings.engine_image, OperatorPods(settings.namespace, settings.pod_labels)
        )
        engine_reconciler = EngineReconciler(
            objects, engines, self._dialling, self._identities, reporter, installation
        )
        engine_parking = self._parking("vectorengine", self._queues.engines)
        return (
            Controller(
                "vectorcollection",
                ManagedCollections(collections, objects, self._manager, self._settings.rights),
                self._queues.collections,
                self.metrics,
                Pace(workers=self._settings.workers),
                self._hooks(VECTOR_COLLECTION, parking),
            ),
            Controller(
                "vectorengine",
                ManagedEngines(engine_reconciler, objects, self._manager),
                self._queues.engines,
                self.metrics,
                Pace(workers=ENGINES.total),
                self._hooks(VECTOR_ENGINE, engine_parking),
            ),
            Controller(
                "presence",
                self._presence_checks,
                self._queues.presence,
                self.metrics,
                Pace(workers=PRESENCE.total, deadline=PRESENCE_DEADLINE_S),
                Hooks(describe=partial(log_fields, self.cache, VECTOR_ENGINE)),
            ),
        )

    def _hooks(self, kind: Kind, parking: Parking) -> Hooks:
        return Hooks(describe=partial(log_fields, self.cache, kind), park=parking.park)
