"""The work queue, with the promises of client-go's."""

import asyncio
from collections import deque
from collections.abc import Callable

from quiver.control.observe.metrics import QueueMetrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.fair_queue import FairQueue
from quiver.domain.kubernetes_types import Key


class ShutDown(Exception):
    """The queue gives out nothing any more."""


class WorkQueue:
    """Keys that wait for a reconcile.

    A key is in one worker's hands at a time. Adds of a waiting key fold into one; an add while the
    key is being worked on means once more afterwards. Retries are counted in memory only, so a
    restart starts afresh. `waiting` says which key is next; a key that is added while it waits
    may change its group.
    """

    def __init__(
        self,
        metrics: QueueMetrics,
        backoff: Backoff | None = None,
        now: Callable[[], float] | None = None,
        waiting: FairQueue | None = None,
    ) -> None:
        """`now` returns seconds that never run backwards; the running loop's time unless given."""
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._fair_queue = FairQueue(lambda key: key, 1) if waiting is None else waiting
        self._dirty: set[Key] = set()
        self._processing: dict[Key, float] = {}
        self._added_at: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shut_down = False

    def __len__(self) -> int:
        return len(self._fair_queue)

    def add(self, key: Key) -> None:
        """Have the key worked on, as soon as a worker is free."""
        if self._shut_down:
            return
        if key in self._dirty:
            if key not in self._processing:
                self._fair_queue.regroup(key)
            return
        self._dirty.add(key)
        self._added_at[key] = self._now()
        self._metrics.adds.inc()
        if key not in self._processing:
            self._enqueue(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key later. Of several waits for one key the shortest counts."""
        if self._shut_down:
            return
        pending = self._timers.get(key)
        loop = asyncio.get_running_loop()
        if pending is not None:
            if pending.when() <= loop.time() + seconds:
                return
            pending.cancel()
        self._timers[key] = loop.call_later(seconds, self._timer_fired, key)

    def retry(self, key: Key) -> float:
        """Add the key after a wait that grows with each retry since the last `forget`; return the
        seconds.
        """
        delay = self.failed(key)
        self.add_after(key, delay)
        return delay

    def failed(self, key: Key) -> float:
        """Count a failure; return the seconds after which a retry would be due."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._metrics.retries.inc()
        return self._backoff.delay(failures)

    def forget(self, key: Key) -> None:
        """The key is well: its next failure is its first."""
        self._failures.pop(key, None)

    def add_afresh(self, key: Key) -> None:
        """Add the key, as one that has never failed."""
        self.forget(key)
        self.add(key)

    async def get(self) -> Key:
        """Take the key whose turn it is; it is the caller's until `done`.

        Raises: ShutDown.
        """
        while not self._fair_queue.has_next:
            if self._shut_down:
                raise ShutDown
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                self._pass_on(getter)
                raise
        if self._shut_down:
            raise ShutDown
        return self._take()

    def done(self, key: Key, *, held_up: bool = False) -> None:
        """Give the key back; if it was added meanwhile it waits again. `held_up` slows its flow."""
        self._metrics.work_seconds.observe(self._now() - self._processing.pop(key))
        self._fair_queue.give_back(key, held_up=held_up)
        if self._fair_queue.has_next:
            self._wake_getter()
        if key in self._dirty and not self._shut_down:
            self._enqueue(key)

    def shut_down(self) -> None:
        """Give out nothing any more; keys being worked on may still be given back."""
        self._shut_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while self._getters:
            self._wake_getter()

    def _enqueue(self, key: Key) -> None:
        self._fair_queue.put(key)
        self._metrics.depth.set(len(self._fair_queue))
        self._wake_getter()

    def _take(self) -> Key:
        key = self._fair_queue.take()
        self._metrics.depth.set(len(self._fair_queue))
        now = self._now()
        self._metrics.queue_seconds.observe(now - self._added_at.pop(key))
        self._dirty.discard(key)
        self._processing[key] = now
        # What a timer would ask for is about to happen; if it fails, the retry sets a new one.
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return key

    def _timer_fired(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _wake_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _pass_on(self, getter: "asyncio.Future[None]") -> None:
        """A cancelled getter that was woken already must not swallow the wake-up."""
        if getter in self._getters:
            self._getters.remove(getter)
        elif getter.done() and not getter.cancelled() and self._fair_queue.has_next:
            self._wake_getter()
