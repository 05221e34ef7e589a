"""kopf watches the cluster. Its handlers put events into the cache and do nothing else.

With `on.event` handlers alone, kopf does not write to objects. It writes for handlers of changes,
for daemons and timers, and to remove its own finalizer. So the finalizer is set to a name that no
object carries.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf

from quiver.control.cache.cache import Cache
from quiver.control.cache.relisting import WATCHED
from quiver.domain.kubernetes_types import GROUP, Key, Kind
from quiver.domain.manifests import uid_of

log = logging.getLogger(__name__)

UNUSED_FINALIZER = f"{GROUP}/kopf-puts-no-finalizer"
CHUNK = 500
REQUEST_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 10.0
IDLE_WORKER_S = 0.1
"""kopf keeps a task per object for so long after its last event. There are thousands of objects."""

SCAN_S = 2.0
"""How long the end of a watch waits for kopf's scan for our kinds, if that is still running."""

OnList = Callable[[], None]
Session = Callable[[OnList], tuple[str, aiohttp.ClientSession]]
"""Opens a session that is logged in to the API server, and returns it with the server's URL. The
session calls back after each list of objects.
"""
Watch = Callable[[Cache, Session, OnList], Coroutine[Any, Any, None]]


async def watch(
    cache: Cache, session: Session, on_list: OnList, namespaces: Collection[str] = ()
) -> None:
    """Keep the cache current until cancelled, or until the cluster no longer knows a kind.

    `on_list` is called when a watch restarts. Without `namespaces` the whole cluster is watched.

    Raises: any error that ends kopf.
    """
    sessions = _Sessions(session, on_list)
    with _signal_handlers_kept():
        tasks = await kopf.spawn_tasks(
            registry=_registry(cache, sessions),
            settings=_settings(),
            clusterwide=not namespaces,
            namespaces=namespaces,
            standalone=True,
        )
    # Not kopf.run_tasks: at its end it cancels all tasks of the loop that started after it.
    ends = [*tasks, asyncio.create_task(sessions.kind_gone(), name="until a kind is gone")]
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await sessions.scan_done()
        await _cancel(ends)
        await sessions.close()


class _Sessions:
    """The sessions that kopf uses. kopf does not close sessions that it has not opened itself."""

    def __init__(self, session: Session, on_list: OnList) -> None:
        self._session = session
        self._on_list = on_list
        self._opened: list[aiohttp.ClientSession] = []
        self._listed = asyncio.Event()
        self._missed = asyncio.Event()

    def open(self) -> kopf.AiohttpSession:
        server, opened = self._session(self._note_list)
        opened.trace_configs.append(self._on_missing_kinds())
        self._opened = [*(each for each in self._opened if not each.closed), opened]
        return kopf.AiohttpSession(server=server, aiohttp_session=opened)

    async def scan_done(self) -> None:
        """Wait until kopf has found our kinds: a cancelled scan leaves tasks behind."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._listed.wait(), SCAN_S)

    async def kind_gone(self) -> None:
        """Wait until the API server does not know a kind that is listed or watched."""
        await self._missed.wait()

    def _on_missing_kinds(self) -> aiohttp.TraceConfig:
        """Return hooks that keep from kopf the answer that a kind is gone: it would log tracebacks,
        and leave the watches of the other kinds behind.
        """

        async def answered(
            _session: aiohttp.ClientSession,
            _context: SimpleNamespace,
            request: aiohttp.TraceRequestEndParams,
        ) -> None:
            is_of_a_kind = not {"limit", "watch"}.isdisjoint(request.url.query)
            if is_of_a_kind and request.response.status == 404:
                self._missed.set()
                await asyncio.Event().wait()  # until kopf is cancelled

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        trace.freeze()
        return trace

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._opened))

    def _note_list(self) -> None:
        self._listed.set()
        self._on_list()


def _registry(cache: Cache, sessions: _Sessions) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    for kind in WATCHED:
        _register(registry, kind, cache)

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: Any) -> kopf.AiohttpSession:
        return sessions.open()

    return registry


def _register(registry: kopf.OperatorRegistry, kind: Kind, cache: Cache) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        manifest: Any = event["object"]
        if event["type"] == "DELETED":
            cache.remove(kind, Key.of(manifest), uid_of(manifest))
        else:
            cache.put(kind, manifest)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.finalizer = UNUSED_FINALIZER
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.idle_timeout = IDLE_WORKER_S
    settings.networking.request_timeout = REQUEST_TIMEOUT_S
    settings.networking.connect_timeout = CONNECT_TIMEOUT_S
    settings.networking.error_backoffs = _ForEver()
    settings.watching.chunk_size = CHUNK
    for kind, selector in WATCHED.items():
        if selector:
            name = (kind.group, kind.version, kind.plural)
            settings.watching.label_selectors[name] = selector
    return settings


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps kopf from copying each object at each event: there are no handlers of changes."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        pass


class _ForEver(Iterable[float]):
    """Delays between attempts (seconds), without an end: kopf gives up when they run out."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.5, 1, 2, 4, 8), repeat(15))


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Restore the handlers of SIGINT and SIGTERM, which kopf replaces when it starts."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if loop.remove_signal_handler(number):
                signal.signal(number, handler)


async def _cancel(tasks: Collection["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
