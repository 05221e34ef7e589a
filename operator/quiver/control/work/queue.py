"""The work queue, with the guarantees of client-go's."""

import asyncio
from collections import deque
from collections.abc import Callable

from quiver.control.observe.metrics import QueueMetrics
from quiver.control.work.backoff import Backoff
from quiver.control.work.fair_queue import FairQueue, Limits
from quiver.domain.kubernetes_types import Key


class ShutDown(Exception):
    """The queue is shut down and gives out no more keys."""


class WorkQueue:
    """Keys that wait for a reconcile.

    One worker at a time works on a key. Adds of a waiting key fold into one. An add while a worker
    has the key requeues it afterwards. Failures are counted in memory only, so a restart resets
    them. `waiting` decides which key is next. An add of a waiting key may change its engine
    and group.
    """

    def __init__(
        self,
        metrics: QueueMetrics,
        backoff: Backoff | None = None,
        now: Callable[[], float] | None = None,
        waiting: FairQueue | None = None,
    ) -> None:
        """`now` returns seconds that never run backwards; by default the running loop's time."""
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._fair_queue = FairQueue(lambda key: key, Limits()) if waiting is None else waiting
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
        """Enqueue the key."""
        if self._shut_down:
            return
        if key in self._dirty:
            if key not in self._processing:
                self._fair_queue.regroup(key)
                self._wake_getter_if_any_can_go_on()
            return
        self._dirty.add(key)
        self._added_at[key] = self._now()
        self._metrics.adds.inc()
        if key not in self._processing:
            self._enqueue(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key after a delay. Of several delays of one key, the earliest end counts."""
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
        """Add the key after a delay, which grows with each retry since the last `forget`; return
        the delay in seconds.
        """
        delay = self.failed(key)
        self.add_after(key, delay)
        return delay

    def failed(self, key: Key) -> float:
        """Count a failure; return the delay of a retry in seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._metrics.retries.inc()
        return self._backoff.delay(failures)

    def forget(self, key: Key) -> None:
        """Reset the key's failures."""
        self._failures.pop(key, None)

    def add_afresh(self, key: Key) -> None:
        """Reset the key's failures and add it."""
        self.forget(key)
        self.add(key)

    async def get(self) -> Key:
        """Take the next key, or wait for one. No other worker gets it until `done`.

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
        key = self._take()
        # A key that comes back can make room for several others, and wakes one worker.
        self._wake_getter_if_any_can_go_on()
        return key

    def done(self, key: Key, *, held_up: bool = False) -> None:
        """Give the key back, and requeue it if it was added meanwhile. `held_up` slows down its
        engine.
        """
        self._metrics.work_seconds.observe(self._now() - self._processing.pop(key))
        self._fair_queue.give_back(key, held_up=held_up)
        if self._fair_queue.has_next:
            self._wake_getter()
        if key in self._dirty and not self._shut_down:
            self._enqueue(key)

    def shut_down(self) -> None:
        """Give out no more keys. Workers may still give keys back."""
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
        # The reconcile that a timer would trigger starts now; if it fails, a retry sets a new one.
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return key

    def _timer_fired(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)

    def _wake_getter_if_any_can_go_on(self) -> None:
        if self._getters and self._fair_queue.has_next:
            self._wake_getter()

    def _wake_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _pass_on(self, getter: "asyncio.Future[None]") -> None:
        """Wake another getter if this cancelled one has been woken already."""
        if getter in self._getters:
            self._getters.remove(getter)
        elif getter.done() and not getter.cancelled() and self._fair_queue.has_next:
            self._wake_getter()
