"""An event loop whose time is virtual: it never waits, but goes on to the next timer at once.

Several processes live on it, told apart by their contexts. One can be stopped, as by SIGSTOP: what
it was about to do waits until it goes on, if it ever does. To be killed is to be stopped for good.
"""

import asyncio
import heapq
import math
from collections import deque
from contextvars import Context, ContextVar, copy_context
from typing import Any

ROUNDS = 5

_process: ContextVar[str] = ContextVar("process", default="")


def process_context(name: str) -> Context:
    """Return the context in which all tasks and timers of a process begin."""
    context = copy_context()
    context.run(_process.set, name)
    return context


class Stuck(Exception):
    """Nothing is ready and nothing is scheduled: the simulation would wait for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """No I/O, no threads; what is ready runs in the order in which it became so.

    `troubles` holds what the loop was told of and nobody else was: exceptions never retrieved.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self.troubles: list[str] = []
        self._time = 0.0
        self._stopped: dict[str, list[asyncio.Handle]] = {}
        # BaseEventLoop asks for one, and leaves it to its subclasses.
        self._selector = _Clock(self)
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._time

    def stop_process(self, name: str) -> None:
        """Let nothing of the process run; what it is doing now comes to its next await."""
        self._stopped.setdefault(name, [])

    def continue_process(self, name: str) -> None:
        self._ready.extend(self._stopped.pop(name, ()))

    def continue_all(self) -> None:
        for name in list(self._stopped):
            self.continue_process(name)

    def go_on(self, seconds: float) -> None:
        """Advance the time; then line up what is due, but for that of stopped processes."""
        if seconds > 0:
            # Rounding must not leave it just before a timer.
            self._time = max(self._time + seconds, math.nextafter(self._time, math.inf))
        while self._scheduled and self._scheduled[0].when() <= self._time:
            handle: Any = heapq.heappop(self._scheduled)
            handle._scheduled = False
            if handle.cancelled():
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(handle)
        if self._stopped:
            self._set_aside()

    def _set_aside(self) -> None:
        ready, self._ready = self._ready, deque()
        for handle in ready:
            context: Context = handle._context  # type: ignore[attr-defined]
            name = context.get(_process, "")
            self._stopped.get(name, self._ready).append(handle)

    def _process_events(self, _events: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.troubles.append(f"{context['message']}: {context.get('exception')!r}")


class _Clock:
    """Stands where BaseEventLoop has its selector: what would wait for I/O advances the time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Stuck("no task can go on, and no timer is set")
        self._loop.go_on(timeout)
        return []

    def close(self) -> None:
        pass


def end_all(loop: VirtualLoop) -> None:
    """Let everybody go on, cancel what is left over, and give it the time to end.

    Raises: AssertionError where something goes on though it is cancelled.
    """
    loop.continue_all()
    for _ in range(ROUNDS):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left, timeout=10))
    left = asyncio.all_tasks(loop)
    loop.close()
    assert not left, f"they go on though they are cancelled: {left}"
