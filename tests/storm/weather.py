"""Has the faults happen: each at its time, none to what another one holds, all ended in the end."""

import asyncio
import time
from dataclasses import dataclass, field

from storm.faults import Fault, faults
from storm.testbed import Testbed

TICK_S = 0.2
AT_ONCE = 4


@dataclass
class Weather:
    """One storm's faults."""

    testbed: Testbed
    _held: dict[Fault, float] = field(default_factory=dict)
    """Faults under way, and when they end."""

    async def blow(self, seconds: float) -> None:
        """Have faults begin and end for so long; on leaving, end all."""
        over = time.monotonic() + seconds
        coming = faults(self.testbed.random, seconds)
        following, due = next(coming), time.monotonic()
        try:
            while time.monotonic() < over:
                self._end_what_is_over()
                if time.monotonic() >= due and self._is_possible(following):
                    self._begin(following)
                    due = time.monotonic() + following.gap
                    following = next(coming)
                self.testbed.tend()
                await asyncio.sleep(TICK_S)
        finally:
            self.clear()

    def clear(self) -> None:
        """End every fault at once."""
        for fault in list(self._held):
            self._end(fault)

    def _is_possible(self, fault: Fault) -> bool:
        free = all(fault.targets.isdisjoint(other.targets) for other in self._held)
        return free and len(self._held) < AT_ONCE

    def _begin(self, fault: Fault) -> None:
        self.testbed.timeline.add(f"{fault.what}, for {fault.seconds:.0f} s")
        self.testbed.timeline.faults[fault.kind] += 1
        fault.begin(self.testbed)
        self._held[fault] = time.monotonic() + fault.seconds

    def _end_what_is_over(self) -> None:
        for fault, end in list(self._held.items()):
            if time.monotonic() >= end:
                self._end(fault)

    def _end(self, fault: Fault) -> None:
        del self._held[fault]
        fault.end(self.testbed)
        self.testbed.timeline.add(f"no longer: {fault.what}")
