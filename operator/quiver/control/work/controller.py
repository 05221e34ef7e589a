"""Workers that take keys from a queue and reconcile them."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars

from quiver.control.observe.metrics import Metrics
from quiver.control.work.breakers import unanswered
from quiver.control.work.queue import ShutDown, WorkQueue
from quiver.domain.access import Target
from quiver.domain.kubernetes_types import Key
from quiver.ports.errors import Conflict, NotFound, PortError
from quiver.reconcile.result import Reconciler, Result

log = logging.getLogger(__name__)

PARK_AFTER_S = 5.0
"""Keys whose retry is due sooner are not parked: such retries are few."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How many reconciles a controller runs at once, and how long each may take (seconds).

    `grace` is the time that running reconciles get when the controller is cancelled.
    """

    workers: int = 8
    deadline: float = 120.0
    grace: float = 3.0


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """`describe` returns the fields that log lines about a key carry. `park` is offered a key that
    is to be retried and the targets that did not answer, and tells whether it has parked the key.
    """

    describe: Callable[[Key], Mapping[str, str]] = lambda _key: {}
    park: Callable[[Key, Collection[Target]], bool] = lambda _key, _unanswered: False


class Controller:
    """Runs one reconciler. Whatever a reconcile raises, the object is requeued, without a limit."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        queue: WorkQueue,
        metrics: Metrics,
        pace: Pace,
        hooks: Hooks | None = None,
    ) -> None:
        self._reconciler = reconciler
        self._queue = queue
        self._pace = pace
        self._hooks = hooks or Hooks()
        self._name = name
        self._metrics = metrics
        self._active = metrics.active_workers.labels(name)
        self._seconds = metrics.reconcile_seconds.labels(name)
        metrics.max_workers.labels(name).set(pace.workers)
        self._errors = metrics.reconcile_errors.labels(name)
        for result in ("error", *(result.value for result in Result)):
            metrics.reconciles.labels(name, result)  # at 0 from the start, as is `_errors`

    async def run(self) -> None:
        """Work until cancelled. Then wait for running reconciles to end, at most for the grace."""
        names = [f"{self._name} worker {number}" for number in range(self._pace.workers)]
        workers = [asyncio.create_task(self._work(), name=name) for name in names]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
        finally:
            self._queue.shut_down()
            await self._end(workers)

    async def _end(self, workers: list[asyncio.Task[None]]) -> None:
        try:
            await asyncio.wait(workers, timeout=self._pace.grace)
        finally:
            for worker in workers:
                worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                key = await self._queue.get()
            except ShutDown:
                return
            with unanswered() as targets:
                try:
                    with (
                        bound_contextvars(about=self._hooks.describe(key)),
                        self._active.track_inprogress(),
                    ):
                        await self._reconcile(key, targets)
                finally:
                    self._queue.done(key, held_up=bool(targets))

    async def _reconcile(self, key: Key, unanswered_by: Collection[Target]) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._pace.deadline):
                result = await self._reconciler.reconcile(key)
        except Exception as error:  # noqa: BLE001 - one object's bug must not stop the others
            self._report(key, error)
            self._count("error")
            self._errors.inc()
            self._queue.retry(key)
        else:
            self._count(result.value)
            self._requeue_or_forget(key, result, unanswered_by)
        finally:
            self._seconds.observe(time.perf_counter() - started)

    def _requeue_or_forget(
        self, key: Key, result: Result, unanswered_by: Collection[Target]
    ) -> None:
        if result is Result.DONE:
            self._queue.forget(key)
            return
        delay = self._queue.failed(key)
        if delay < PARK_AFTER_S or not self._hooks.park(key, unanswered_by):
            self._queue.add_after(key, delay)

    def _report(self, key: Key, error: Exception) -> None:
        if isinstance(error, Conflict | NotFound):
            log.debug("%s %s changed meanwhile; trying again", self._name, key)
        elif isinstance(error, PortError):
            log.warning("%s %s: %s; trying again", self._name, key, error)
        elif isinstance(error, TimeoutError):
            log.warning("%s %s took over %g s; trying again", self._name, key, self._pace.deadline)
        else:
            log.error("%s %s: this is a bug; trying again", self._name, key, exc_info=error)

    def _count(self, result: str) -> None:
        self._metrics.reconciles.labels(self._name, result).inc()
