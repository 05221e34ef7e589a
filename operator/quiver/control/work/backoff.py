"""Exponential backoff: how long to wait after failures in a row."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Doubles from `base` to `cap` (seconds). Jitter takes off up to half, to spread retries."""

    base: float = 0.15
    cap: float = 60.0
    uniform: Callable[[float, float], float] = random.uniform

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after `failures` (at least 1) failures in a row."""
        # 2.0 ** 1024 would overflow. Any cap is reached long before 64 failures.
        full = min(self.cap, self.base * 2.0 ** min(failures - 1, 64))
        return full * self.uniform(0.5, 1.0)
