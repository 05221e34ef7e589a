"""`python -m storm.skewed SECONDS …`: `quiver …` on a machine whose clock is off by so much.

No kernel gives a process a wall clock of its own. What the operator reads it by is shifted instead:
its clock, which stamps leases, conditions and events. gRPC's deadlines are made of time.time and
held against the kernel's clock, so that one must not be shifted without the other.
"""

import sys
from datetime import UTC, datetime, timedelta

from quiver.adapters.clock import SystemClock
from quiver.cli import main


def shift(seconds: float) -> None:
    offset = timedelta(seconds=seconds)

    def now(self: SystemClock) -> datetime:
        return datetime.now(UTC) + offset

    SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    shift(float(sys.argv.pop(1)))
    main()
