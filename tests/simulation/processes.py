"""Operators as processes: started, killed without a word, stopped for a while, told to end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random

from quiver.adapters.interceptors import LeadershipInterceptor
from quiver.adapters.pem import OpenSslPem
from quiver.app import Operator, unelected
from quiver.control.leader.election import Election
from quiver.control.leader.leadership import Leadership, NotLeading
from quiver.control.observe.metrics import Metrics
from quiver.control.observe.readiness import Readiness
from quiver.control.work.interception import InterceptedEngines
from quiver.outside import Outside
from quiver.settings import Settings
from simulation.api_server import BEGINNING, ApiServer
from simulation.client import ModelClient
from simulation.engine_client import ModelEngines
from simulation.engines import Fleet
from simulation.loop import VirtualLoop, process_context
from simulation.names import ModelNames
from simulation.trace import Trace
from simulation.watching import ModelWatch
from simulation.weather import Weather

NAMESPACE = "quiver-system"


@dataclass
class Surroundings:
    """What all processes share."""

    loop: VirtualLoop
    rng: Random
    trace: Trace
    weather: Weather
    server: ApiServer
    fleet: Fleet


class SkewedClock:
    """Implements `quiver.ports.clock.Clock`: virtual time, wrong by some seconds."""

    def __init__(self, loop: VirtualLoop, skew: float) -> None:
        self._loop = loop
        self._skew = skew

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self._loop.time() + self._skew)


class Process:
    """One operator's life. `ended` tells how it ended, other than by a kill."""

    def __init__(
        self,
        around: Surroundings,
        name: str,
        settings: Settings,
        on_loss: Callable[[], None],
        *,
        elect: bool = False,
    ) -> None:
        """`on_loss` is called when it has ended because it lost its lease."""
        self.name = name
        self.alive = True
        self.ended: BaseException | None = None
        self._around = around
        self._on_loss = on_loss
        self._leadership = Leadership(self._lost, around.loop.time)
        writing = self._leadership.writing if elect else nullcontext
        self._clock = SkewedClock(around.loop, around.rng.uniform(-30, 30))
        metrics = Metrics()
        engines = ModelEngines(around.fleet, around.weather, name)
        outside = Outside(
            api=self._client(writing),
            engines=InterceptedEngines(engines, LeadershipInterceptor(writing)),
            names=ModelNames(around.fleet, around.weather),
            pem=OpenSslPem(),
            clock=self._clock,
        )
        watch = ModelWatch(around.server, around.weather, around.rng)
        self.operator = Operator(outside, settings, metrics, watch)
        self._term = partial(self._elected, metrics=metrics) if elect else unelected
        self.task = around.loop.create_task(self._run(), name=name, context=process_context(name))

    def kill(self) -> None:
        """End as by SIGKILL: what it sent may arrive, and it does nothing more."""
        self._say("is killed")
        self.alive = False
        self._around.loop.stop_process(self.name)

    def stop_for(self, seconds: float) -> None:
        """Stand still, as on a machine that swaps; timers go off late."""
        self._say(f"stands still for {seconds:.1f} s")
        loop = self._around.loop
        loop.stop_process(self.name)
        loop.call_later(seconds, self._go_on)

    def terminate(self) -> None:
        """End in order, as by SIGTERM."""
        self._say("is told to end")
        self.alive = False
        self.task.cancel()

    def _go_on(self) -> None:
        if self.alive:
            self._say("goes on")
            self._around.loop.continue_process(self.name)

    def _lost(self, why: str) -> None:
        if self._around.weather.over:
            return  # whoever was killed goes on to end, and finds that it leads no more
        self._say(f"lost the lease: {why}")
        self.kill()
        self._on_loss()

    async def _run(self) -> None:
        self._say("starts")
        try:
            await self.operator.run(self._term)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is looked at, and told, by others
            self.ended = error
        finally:
            self.alive = False

    @asynccontextmanager
    async def _elected(self, readiness: Readiness, metrics: Metrics) -> AsyncIterator[None]:
        client = self._client(nullcontext, deadline=5.0)
        election = Election(client, NAMESPACE, self.name, self._leadership, self._clock)
        async with election.term(readiness, metrics):
            self._say("leads")
            yield

    def _client(
        self, writing: Callable[[], AbstractContextManager[None]], deadline: float = 10.0
    ) -> ModelClient:
        around = self._around
        return ModelClient(
            around.server,
            around.weather,
            around.trace,
            self.name,
            writing,
            deadline,
        )

    def _say(self, what: str) -> None:
        self._around.trace.add(self._around.loop.time(), self.name, what)


def is_expected_end(error: BaseException) -> bool:
    """Tell whether a process may end so: it found that another one leads."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_expected_end, error.exceptions))
    return isinstance(error, NotLeading)
