"""Circuit breakers: an engine that does not answer gets no calls but one probe at a time, until it
answers again.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from quiver.control.observe.metrics import Metrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.interception import Answer, EngineCall, InterceptedClient
from quiver.control.work.turns import Turns
from quiver.domain.access import Target
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import (
    EngineError,
    EngineRefused,
    EngineUnauthenticated,
    EngineUnreachable,
)

log = logging.getLogger(__name__)

PROBING = Backoff(base=0.25, cap=120.0)
"""The delay doubles, so that a target that answers again is noticed within the time that it was
away, and within two minutes.
"""
CONCURRENT_PROBES = 256
"""Tenants name thousands of endpoints. A probe has a connection of its own, of some 70 KiB, and
lasts until its deadline where nothing answers. Of those who wait for a turn, the target that was
probed least is next: another tenant's engine that has just failed, before those that are long dead.
"""
UNWANTED_S = 300.0
"""Probing ends for a target that nothing has called for so long: its pod may be gone. One that has
answered a probe is forgotten after as long.
"""

Recovered = Callable[[Target], None]
_unanswered: ContextVar[dict[Target, None] | None] = ContextVar("unanswered", default=None)


@contextmanager
def unanswered() -> Iterator[Collection[Target]]:
    """Collect the targets that do not answer calls of the block, and of tasks started in it, in the
    order in which they failed.
    """
    targets: dict[Target, None] = {}
    token = _unanswered.set(targets)
    try:
        yield targets
    finally:
        _unanswered.reset(token)


@dataclass
class _Breaker:
    """An open breaker.

    `message` is that of the first failure. If it changed with time, the status of each object that
    waits would be written again and again. `called_at` is the time (the loop's) of the last call to
    the target, sent or not. `hinted` is set to have it probed at once. The first `forgiven`
    failures do not lengthen delays any more.
    """

    message: str
    called_at: float
    forgiven: int = 0
    hinted: asyncio.Event = field(default_factory=asyncio.Event)


class Breakers:
    """Implements `quiver.ports.engines.Engines` over another.

    A call without an answer opens the breaker of its target. Until the target answers a probe,
    calls to it fail at once, so that no worker waits for them.
    """

    def __init__(
        self,
        engines: Engines,
        metrics: Metrics,
        probing: Backoff = PROBING,
        unwanted: float = UNWANTED_S,
    ) -> None:
        """`unwanted` is in seconds."""
        self._engines = engines
        self._silent = metrics.silent_addresses
        self._probing = probing
        self._unwanted = unwanted
        self._open: dict[Target, _Breaker] = {}
        self._failures: dict[Target, int] = {}
        self._turns = Turns(CONCURRENT_PROBES)
        self._probes: set[asyncio.Task[None]] = set()
        self._listeners: list[Recovered] = []

    def at(self, target: Target) -> EngineClient:
        return InterceptedClient(self._engines.at(target), target, self._intercept)

    def is_open(self, target: Target) -> bool:
        return target in self._open

    def subscribe(self, recovered: Recovered) -> None:
        """Call `recovered` with each target whose breaker has closed."""
        self._listeners.append(recovered)

    def look_again(self, names: Collection[str]) -> None:
        """Probe the targets of these names at once, and from then on as often as at first: they may
        have changed.
        """
        for target, breaker in self._open.items():
            if target.name in names:
                breaker.forgiven = self._failures.get(target, 0)
                breaker.hinted.set()

    def forget(self, names: Collection[str]) -> None:
        """Stop probing the targets of these names: what they led to is gone. If one is called all
        the same and does not answer, it is probed again.
        """
        for target, breaker in self._open.items():
            if target.name in names:
                breaker.called_at = -math.inf
                breaker.hinted.set()

    @asynccontextmanager
    async def probing(self) -> AsyncIterator[None]:
        """Cancel all probes on exit."""
        try:
            yield
        finally:
            for probe in self._probes:
                probe.cancel()
            await asyncio.gather(*self._probes, return_exceptions=True)

    async def _intercept(self, call: EngineCall[Answer]) -> Answer:
        """Raises: EngineUnreachable, without sending the call while the breaker is open."""
        target = call.target.connection
        breaker = self._open.get(target)
        if breaker is not None:
            breaker.called_at = asyncio.get_running_loop().time()
            _note(target)
            raise EngineUnreachable(breaker.message)
        try:
            answer = await call.send()
        except EngineUnreachable as error:
            self._trip(target, error)
            _note(target)
            raise
        self._failures.pop(target, None)
        return answer

    def _trip(self, target: Target, error: EngineUnreachable) -> None:
        if target in self._open:
            return
        self._open[target] = _Breaker(str(error), asyncio.get_running_loop().time())
        self._silent.set(len(self._open))
        probe = asyncio.create_task(self._probe(target), name=f"probe {target.name}")
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _probe(self, target: Target) -> None:
        log.warning("engine at %s does not answer: %s", target.name, self._open[target].message)
        while self._is_wanted(target):
            # Closing the breaker does not reset the count: a target may answer only probes.
            self._failures[target] = self._failures.get(target, 0) + 1
            await self._pause(target)
            if self._is_wanted(target) and await self._answers(target):
                log.info("engine at %s answers again", target.name)
                asyncio.get_running_loop().call_later(self._unwanted, self._forget, target)
                break
        else:
            self._failures.pop(target, None)
        del self._open[target]
        self._silent.set(len(self._open))
        for recovered in self._listeners:
            recovered(target)

    async def _pause(self, target: Target) -> None:
        breaker = self._open[target]
        failures = max(1, self._failures[target] - breaker.forgiven)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._probing.delay(failures)):
                await breaker.hinted.wait()
        breaker.hinted.clear()

    def _forget(self, target: Target) -> None:
        if target not in self._open:
            self._failures.pop(target, None)

    def _is_wanted(self, target: Target) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._open[target].called_at < self._unwanted

    async def _answers(self, target: Target) -> bool:
        try:
            async with self._turns.turn(self._failures.get(target, 0)):
                await self._engines.at(target).version()
        except (EngineRefused, EngineUnauthenticated):
            return True
        except EngineError:
            return False
        except Exception:
            log.exception("probing %s: this is a bug; trying again", target.name)
            return False
        return True


def _note(target: Target) -> None:
    targets = _unanswered.get()
    if targets is not None:
        targets[target] = None
