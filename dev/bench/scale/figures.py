"""What one run measures. Times are in seconds, memory in MiB, CPU in milliseconds an object."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

FULL = 4096
"""Collections that an engine takes."""


@dataclass
class Floor:
    """The same calls by a bare loop that knows beforehand what there is to do.

    `apply_s` is the person's part: to create the objects. `work_s`: for each the engine's calls and
    two PATCHes. `events_s`: for each the Event.
    """

    apply_s: float = 0.0
    work_s: float = 0.0
    events_s: float = 0.0
    cpu_ms: float = 0.0
    """Of the work and the event."""

    @property
    def total_s(self) -> float:
        return self.apply_s + self.work_s + self.events_s


@dataclass
class Storm:
    """All collections applied at once, until the last is Ready; then all deleted at once."""

    ready_s: float = 0.0
    forgotten: int = 0
    """How many were made only after somebody had touched them; they are left out of the times."""
    latency_p50_s: float = 0.0
    latency_p99_s: float = 0.0
    latency_max_s: float = 0.0
    cpu_ms: float = 0.0
    rss_start_mib: float = 0.0
    rss_idle_mib: float = 0.0
    rss_peak_mib: float = 0.0
    api_writes: float = 0.0
    """PATCH and PUT of the objects, for each."""
    events: float = 0.0
    delete_s: float = 0.0
    delete_cpu_ms: float = 0.0
    delete_api_writes: float = 0.0
    curve: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the first was applied, and how many were Ready by then."""


@dataclass
class Idle:
    """Calls a minute while nothing happens. Those of the verification grow with the collections:
    each is looked at once a period.
    """

    seconds: float = 0.0
    api_requests: float = 0.0
    engine_lists: float = 0.0
    engine_verification: float = 0.0
    cpu_ms: float = 0.0
    """CPU milliseconds a minute."""


@dataclass
class Restart:
    steady_s: float = 0.0
    """From the start of the process until each object has been looked at."""
    listed_s: float = 0.0
    cpu_ms: float = 0.0
    api_writes: float = 0.0


@dataclass
class Run:
    collections: int
    engines: int
    cores: int = 0
    floor: Floor = field(default_factory=Floor)
    kopf: Storm = field(default_factory=Storm)
    quiver: Storm = field(default_factory=Storm)
    engine_calls: dict[str, float] = field(default_factory=dict)
    """For each object, while all are created."""
    idle: Idle = field(default_factory=Idle)
    restart: Restart = field(default_factory=Restart)
    one_when_quiet_s: list[float] = field(default_factory=list)
    one_in_storm_s: list[float] = field(default_factory=list)
    """Of another namespace, while all the others are being created."""
    one_in_restart_s: list[float] = field(default_factory=list)
    """Of the same namespace, while the operator looks at all after its start."""

    @property
    def room(self) -> int:
        """How many more the engines take."""
        return self.engines * FULL - self.collections


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed; 0 of none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
