"""Shares threads out fairly: collections take turns, and none may hold all threads.

Calls that wait and have one batch key are answered in one batch. Everything but the work itself
runs in the server's event loop, so nothing here needs a lock.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from quiver_engine.wire.rpc import Call

Work = Callable[[Sequence[Call]], Sequence[bytes]]
"""Answers one call, or several of one batch key; never raises."""
Inline = Callable[[Sequence[Call]], Sequence[bytes] | None]

MAX_WEIGHT = 19
"""From 128,000 numbers in the queries on, FAISS computes distances in another way, which rounds
differently (`distance_compute_blas_threshold` in faiss/utils/distances.h).

Below that, a query has the same answer alone and in a batch. Wide queries come without a batch key.
"""


class _Waiting(NamedTuple):
    call: Call
    answer: asyncio.Future[bytes]


class FairQueue:
    """`threads` work at a time, at most `most_of_one` of them for one collection.

    `inline` answers calls of one batch key in the event loop. It returns None for calls that would
    hold the loop up.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        threads: int,
        most_of_one: int,
        work: Work,
        inline: Inline = lambda _: None,
    ) -> None:
        """`pool` has to have `threads` threads, and no other work."""
        self._work = work
        self._inline = inline
        self._most_of_one = most_of_one
        self._pool = pool
        self._free = threads
        self._running: Counter[bytes] = Counter()
        self._fresh: dict[tuple[bytes, Hashable], deque[_Waiting]] = {}
        """Calls that came since `_sort` last ran, by collection and batch key."""
        self._waiting: dict[bytes, dict[Hashable, deque[_Waiting]]] = {}
        """By collection, the one whose turn is next first, and by batch key."""

    async def answer(self, call: Call) -> bytes:
        """Return the answer once the call had its turn; if cancelled, note that the caller left."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        if not self._fresh:
            loop.call_soon(self._sort)
        # A call that is answered alone is a key of its own.
        batch_key = call if call.batch_item is None else call.batch_item.batch_key
        self._fresh.setdefault((call.collection, batch_key), deque()).append(_Waiting(call, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            call.left = True
            raise

    def _sort(self) -> None:
        """Answer inline what takes a moment; the rest waits for its turn."""
        fresh, self._fresh = self._fresh, {}
        for (collection, batch_key), alike in fresh.items():
            while alike:
                batch = _batch(alike)
                answers = self._inline([waiting.call for waiting in batch])
                if answers is None:
                    waiting = self._waiting.setdefault(collection, {})
                    waiting.setdefault(batch_key, deque()).extend(batch)
                else:
                    _deliver(batch, answers)
        self._begin()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        while self._free and (collection := self._next()) is not None:
            batch = self._take(collection)
            self._free -= 1
            self._running[collection] += 1
            self._pool.submit(self._answer, loop, collection, batch)

    def _next(self) -> bytes | None:
        for collection in self._waiting:
            if self._running[collection] < self._most_of_one:
                return collection
        return None

    def _take(self, collection: bytes) -> list[_Waiting]:
        """Remove a batch; the collection's other calls go to the end of the queue."""
        waiting = self._waiting.pop(collection)
        batch_key = next(iter(waiting))
        alike = waiting.pop(batch_key)
        batch = _batch(alike)
        if alike:
            waiting[batch_key] = alike
        if waiting:
            self._waiting[collection] = waiting
        return batch

    def _answer(
        self, loop: asyncio.AbstractEventLoop, collection: bytes, batch: list[_Waiting]
    ) -> None:
        answers = self._work([waiting.call for waiting in batch])
        loop.call_soon_threadsafe(self._end, collection, batch, answers)

    def _end(self, collection: bytes, batch: list[_Waiting], answers: Sequence[bytes]) -> None:
        self._free += 1
        self._running[collection] -= 1
        if not self._running[collection]:
            del self._running[collection]
        _deliver(batch, answers)
        self._begin()


def _batch(alike: deque[_Waiting]) -> list[_Waiting]:
    """Remove as many calls as one batch may hold, but at least one."""
    batch = [alike.popleft()]
    room = MAX_WEIGHT - _weight(batch[0])
    while alike and _weight(alike[0]) <= room:
        batch.append(alike.popleft())
        room -= _weight(batch[-1])
    return batch


def _deliver(batch: list[_Waiting], answers: Sequence[bytes]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if not waiting.answer.done():
            waiting.answer.set_result(answer)


def _weight(waiting: _Waiting) -> int:
    item = waiting.call.batch_item
    return MAX_WEIGHT if item is None else item.weight
