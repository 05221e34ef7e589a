"""What kopf brings: per kind a list, then events; with lag, folding, breaks and lost places.

As with kopf, events of one object (by uid) stay in order and may be folded into the last one, while
those of different objects overtake each other; and a new list tells nothing of what is gone.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from random import Random

from quiver.control.cache.cache import Cache
from quiver.control.cache.relisting import WATCHED
from quiver.domain.kubernetes_types import Key, Kind
from quiver.domain.manifests import uid_of
from simulation.api_server import ApiServer, Event, selected
from simulation.weather import Lost, Weather, exchange

OnList = Callable[[], None]


class ModelWatch:
    """Implements `quiver.handlers.Watch` for one process."""

    def __init__(self, server: ApiServer, weather: Weather, rng: Random) -> None:
        self._server = server
        self._weather = weather
        self._rng = rng
        self._breaks = rng.choice((0.0, 0.02, 0.1))
        self._ends = rng.choice((0.0, 0.0, 0.2))
        self._pending: dict[str, tuple[Kind, Event]] = {}

    async def __call__(self, cache: Cache, _session: object, on_list: OnList) -> None:
        # Not a TaskGroup: it loses a cancellation that comes with the end of one of its tasks.
        tasks = [
            asyncio.create_task(self._keep_watching(kind, selector, cache, on_list))
            for kind, selector in WATCHED.items()
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _keep_watching(
        self, kind: Kind, selector: str, cache: Cache, on_list: OnList
    ) -> None:
        while True:
            position: int | None = await self._list(kind, selector, cache)
            on_list()
            while position is not None:
                position = await self._stream(kind, selector, cache, position)

    async def _list(self, kind: Kind, selector: str, cache: Cache) -> int:
        loop = asyncio.get_running_loop()
        while True:
            fate = self._weather.fate(loop.time(), api=True)
            try:
                listing = await exchange(
                    lambda: self._server.list(kind, selector), fate, deadline=60
                )
            except Exception:  # noqa: BLE001 - kopf tries again, whatever it was
                await asyncio.sleep(self._rng.uniform(0.5, 5.0))
                continue
            for manifest in listing.items:
                self._line_up(kind, Event(int(listing.version), "", manifest), cache)
            return int(listing.version)

    async def _stream(self, kind: Kind, selector: str, cache: Cache, position: int) -> int | None:
        """Follow until the stream breaks; return where to go on, None where the place is lost."""
        events = self._server.events.setdefault(kind, [])
        seen = _index_after(events, position)
        while True:
            await self._server.news(kind, seen)
            for event in events[seen:]:
                if selected(event.manifest, selector):
                    self._line_up(kind, event, cache)
            seen = len(events)
            if self._weather.strikes(self._breaks):
                await asyncio.sleep(self._rng.choice((0.0, 1.0, 20.0)) * self._rng.random())
                if self._weather.strikes(self._ends):
                    raise Lost(silent=False)
                return None if self._weather.strikes(0.5) else events[seen - 1].version

    def _line_up(self, kind: Kind, event: Event, cache: Cache) -> None:
        uid = uid_of(event.manifest)
        waiting = uid in self._pending
        self._pending[uid] = (kind, event)
        if not waiting:
            loop = asyncio.get_running_loop()
            loop.call_later(self._weather.lag(), self._deliver, uid, cache, context=copy_context())

    def _deliver(self, uid: str, cache: Cache) -> None:
        kind, event = self._pending.pop(uid)
        if event.type == "DELETED":
            cache.remove(kind, Key.of(event.manifest), uid)
        else:
            cache.put(kind, event.manifest)


def _index_after(events: list[Event], position: int) -> int:
    index = len(events)
    while index and events[index - 1].version > position:
        index -= 1
    return index
