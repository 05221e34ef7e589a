"""Calls one after the other, by so many threads at once, for so long."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """`latency_s` is the median of a call's seconds, `wall_s` the time that all calls took."""

    calls: int
    wall_s: float
    latency_s: float

    @property
    def calls_a_second(self) -> float:
        return self.calls / self.wall_s


def drive(calls: Sequence[Callable[[], object]], threads: int, seconds: float) -> Timing:
    """Make calls, over and over, until the time is up; each thread makes one at least."""
    latencies: list[list[float]] = [[] for _ in range(threads)]
    ready = threading.Barrier(threads + 1)
    failures: list[BaseException] = []

    def work(place: int) -> None:
        turn = itertools.cycle(calls)
        for _ in range(place % len(calls)):
            next(turn)
        mine = latencies[place]
        ready.wait()
        end = time.perf_counter() + seconds
        try:
            while True:
                call = next(turn)
                begun = time.perf_counter()
                call()
                now = time.perf_counter()
                mine.append(now - begun)
                if now >= end:
                    return
        except BaseException as error:
            failures.append(error)
            raise

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    begun = time.perf_counter()
    for worker in workers:
        worker.join()
    wall_s = time.perf_counter() - begun
    if failures:
        raise RuntimeError("a call failed") from failures[0]
    taken = [latency for mine in latencies for latency in mine]
    return Timing(len(taken), wall_s, statistics.median(taken))
