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

from quiver.control.backoff import Backoff
from quiver.control.metrics import Metrics
from quiver.domain.collections import CollectionSchema, Index, ObservedCollection, ObservedIndex
from quiver.ports.engines import EngineClient, Engines
from quiver.ports.errors import EngineError, EngineRefused, EngineUnreachable

log = logging.getLogger(__name__)

PROBING = Backoff(base=0.25, cap=10.0)
UNWANTED_S = 300.0
"""After so long without anybody asking for it, an address is probed no more: its pod may be gone.
"""

Answer = TypeVar("Answer")
Recovered = Callable[[str], None]
_unanswered: ContextVar[dict[str, None] | None] = ContextVar("unanswered", default=None)


@contextmanager
def unanswered() -> Iterator[Collection[str]]:
    """Collect the addresses that do not answer meanwhile, here and in tasks started here, in their
    order.
    """
    addresses: dict[str, None] = {}
    token = _unanswered.set(addresses)
    try:
        yield addresses
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

    A call that is not answered opens the breaker of its address. Calls to it then fail at once, so
    that they hold no worker, until a probe is answered.
    """

    def __init__(self, engines: Engines, metrics: Metrics, probing: Backoff = PROBING) -> None:
        self._engines = engines
        self._silent = metrics.silent_addresses
        self._probing = probing
        self._open: dict[str, _Breaker] = {}
        self._failures: dict[str, int] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._listeners: list[Recovered] = []

    def at(self, address: str) -> EngineClient:
        return _Client(self, self._engines.at(address), address)

    def is_open(self, address: str) -> bool:
        return address in self._open

    def subscribe(self, recovered: Recovered) -> None:
        """Have `recovered` called with an address when its breaker has closed."""
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

    async def call(self, address: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Raises EngineUnreachable without calling while the address does not answer."""
        breaker = self._open.get(address)
        if breaker is not None:
            breaker.asked_at = asyncio.get_running_loop().time()
            _note(address)
            raise EngineUnreachable(breaker.words)
        try:
            answer = await call()
        except EngineUnreachable as error:
            self._trip(address, error)
            _note(address)
            raise
        self._failures.pop(address, None)
        return answer

    def _trip(self, address: str, error: EngineUnreachable) -> None:
        if address in self._open:
            return
        self._open[address] = _Breaker(str(error), asyncio.get_running_loop().time())
        self._silent.set(len(self._open))
        probe = asyncio.create_task(self._probe(address), name=f"probe {address}")
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _probe(self, address: str) -> None:
        log.warning("engine at %s does not answer: %s", address, self._open[address].words)
        while self._is_wanted(address):
            # Counted on over the closings: it may answer a probe, and nothing else.
            self._failures[address] = self._failures.get(address, 0) + 1
            await asyncio.sleep(self._probing.delay(self._failures[address]))
            if await self._answers(address):
                log.info("engine at %s answers again", address)
                break
        else:
            self._failures.pop(address, None)
        del self._open[address]
        self._silent.set(len(self._open))
        for recovered in self._listeners:
            recovered(address)

    def _is_wanted(self, address: str) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._open[address].asked_at < UNWANTED_S

    async def _answers(self, address: str) -> bool:
        try:
            await self._engines.at(address).version()
        except EngineRefused:
            return True
        except EngineError:
            return False
        except Exception:
            log.exception("probing %s: this is a bug; trying again", address)
            return False
        return True


def _note(address: str) -> None:
    addresses = _unanswered.get()
    if addresses is not None:
        addresses[address] = None


class _Client:
    """Implements `quiver.ports.engines.EngineClient`."""

    def __init__(self, breakers: Breakers, client: EngineClient, address: str) -> None:
        self._breakers = breakers
        self._client = client
        self._address = address

    async def _call(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._breakers.call(self._address, call)

    async def version(self) -> str:
        return await self._call(self._client.version)

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
