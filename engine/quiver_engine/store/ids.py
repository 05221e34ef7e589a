"""Automatic row ids."""

import threading
import time
from collections.abc import Callable

import numpy as np

from quiver_engine.model import Ids


class AutomaticIds:
    """Gives out ids of microseconds x 1000 + n, which strictly increase within the process.

    After a restart they continue above the earlier ones, unless the clock was set back.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._next = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> Ids:
        """Return `count` new ids, int64."""
        with self._lock:
            first = max(self._next, self._now_ns() // 1000 * 1000)
            self._next = first + count
        return np.arange(first, first + count, dtype=np.int64)
