"""Engines that do not answer: they are left alone, but for one call at a time that finds out when
they are back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from quiver.control.observe.metrics import Metrics
from quiver.control.work.backoff import Backoff
from quiver.domain.access import Target
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable

log = logging.getLogger(__name__)

PROBING = Backoff(base=0.25, cap=10.0)
UNWANTED_S = 300.0
"""After so long without anybody asking for it, an address is probed no more: its pod may be gone.
"""

Answer = TypeVar("Answer")
Recovered = Callable[[Target], None]
_unanswered: ContextVar[dict[Target, None] | None] = ContextVar("unanswered", default=None)


@contextmanager
def unanswered() -> Iterator[Collection[Target]]:
    """Collect the targets that do not answer meanwhile, here and in tasks started here, in their
    order.
    """
    targets: dict[Target, None] = {}
    token = _unanswered.set(targets)
    try:
        yield targets
    finally:
        _unanswered.reset(token)


@dataclass
class _Breaker:
    """`words` are those of the first failure: words that change with time would have each waiting
    object's status written again and again.
    """

    words: str
    asked_at: float


class Breakers:
    """Implements `quiver.ports.engines.Engines` over another.

    A call that is not answered opens the breaker of its target. Calls to it then fail at once, so
    that they hold no worker, until a probe is answered.
    """

    def __init__(self, engines: Engines, metrics: Metrics, probing: Backoff = PROBING) -> None:
        self._engines = engines
        self._silent = metrics.silent_addresses
        self._probing = probing
        self._open: dict[Target, _Breaker] = {}
        self._failures: dict[Target, int] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._listeners: list[Recovered] = []

    def at(self, target: Target) -> EngineClient:
        return _Client(self, self._engines.at(target), target.connection)

    def is_open(self, target: Target) -> bool:
        return target in self._open

    def subscribe(self, recovered: Recovered) -> None:
        """Have `recovered` called with a target when its breaker has closed."""
        self._listeners.append(recovered)

    @asynccontextmanager
    async def probing(self) -> AsyncIterator[None]:
        """End all probes on leaving."""
        try:
            yield
        finally:
            for probe in self._probes:
                probe.cancel()
            await asyncio.gather(*self._probes, return_exceptions=True)

    async def call(self, target: Target, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Raises EngineUnreachable without calling while the target does not answer."""
        breaker = self._open.get(target)
        if breaker is not None:
            breaker.asked_at = asyncio.get_running_loop().time()
            _note(target)
            raise EngineUnreachable(breaker.words)
        try:
            answer = await call()
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
        log.warning("engine at %s does not answer: %s", target.name, self._open[target].words)
        while self._is_wanted(target):
            # Counted on over the closings: it may answer a probe, and nothing else.
            self._failures[target] = self._failures.get(target, 0) + 1
            await asyncio.sleep(self._probing.delay(self._failures[target]))
            if await self._answers(target):
                log.info("engine at %s answers again", target.name)
                break
        else:
            self._failures.pop(target, None)
        del self._open[target]
        self._silent.set(len(self._open))
        for recovered in self._listeners:
            recovered(target)

    def _is_wanted(self, target: Target) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._open[target].asked_at < UNWANTED_S

    async def _answers(self, target: Target) -> bool:
        try:
            await self._engines.at(target).version()
        except EngineRefused:
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


class _Client:
    """Implements `quiver.ports.engines.EngineClient`."""

    def __init__(self, breakers: Breakers, client: EngineClient, target: Target) -> None:
        self._breakers = breakers
        self._client = client
        self._target = target

    async def _call(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._breakers.call(self._target, call)

    async def version(self) -> str:
        return await self._call(self._client.version)

    async def instance(self) -> str | None:
        return await self._call(self._client.instance)

    async def list_collections(self) -> frozenset[str]:
        return await self._call(self._client.list_collections)

    async def describe(self, name: str) -> ObservedCollection | None:
        return await self._call(lambda: self._client.describe(name))

    async def count_rows(self, name: str, tag: str | None = None) -> int:
        return await self._call(lambda: self._client.count_rows(name, tag))

    async def describe_index(self, name: str) -> ObservedIndex:
        return await self._call(lambda: self._client.describe_index(name))

    async def set_index(self, name: str, index: Index | None) -> None:
        await self._call(lambda: self._client.set_index(name, index))

    async def create(self, schema: CollectionSchema) -> None:
        await self._call(lambda: self._client.create(schema))

    async def drop(self, name: str) -> None:
        await self._call(lambda: self._client.drop(name))

    async def create_partition(self, name: str, tag: str) -> None:
        await self._call(lambda: self._client.create_partition(name, tag))

    async def drop_partition(self, name: str, tag: str) -> None:
        await self._call(lambda: self._client.drop_partition(name, tag))
