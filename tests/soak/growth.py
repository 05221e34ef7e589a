"""What the engine uses over time, and whether that grows though its rows do not."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from soak.engine import Engine

WARM_UP = 0.25
"""The share of a life's marks that comes before the comparison."""
LEAST_MARKS = 6
SETTLED_S = 60.0
LOG_MIB = 40.0
"""The insert log at rest: one file, and what one round writes into it."""


@dataclass(frozen=True)
class Bound:
    """What a figure may be at the end: `factor` times what it was, and `more`."""

    figure: str
    unit: str
    factor: float
    more: float

    def allows(self, before: float, after: float) -> bool:
        return after <= before * self.factor + self.more

    def __str__(self) -> str:
        return f"x {self.factor:g} + {self.more:g}"


BOUNDS = (
    Bound("rss_mib", "MiB", 1.1, 32),
    Bound("anonymous_mib", "MiB", 1.1, 24),
    Bound("threads", "", 1.0, 8),
    Bound("descriptors", "", 1.0, 8),
    Bound("segment_descriptors", "", 1.5, 16),
    Bound("disk_mib", "MiB", 1.25, 8),
)


@dataclass(frozen=True)
class Sample:
    """At `seconds`, in the engine's `life`-th process. A mark is taken at rest, with as many rows
    as every other mark. `disk_mib` is without the insert log.
    """

    seconds: float
    life: int
    rows: int
    is_mark: bool
    rss_mib: float
    anonymous_mib: float
    threads: int
    descriptors: int
    segment_descriptors: int
    disk_mib: float
    log_mib: float

    def figure(self, name: str) -> float:
        return float(asdict(self)[name])


def sample(engine: Engine, begun: float, rows: int, *, is_mark: bool) -> Sample:
    use, log = engine.use(), engine.disk_mib("log")
    return Sample(
        seconds=round(time.monotonic() - begun, 1),
        life=engine.starts,
        rows=rows,
        is_mark=is_mark,
        rss_mib=round(use.rss_mib, 1),
        anonymous_mib=round(use.anonymous_mib, 1),
        threads=use.threads,
        descriptors=use.descriptors,
        segment_descriptors=use.segment_descriptors,
        disk_mib=round(engine.disk_mib() - log, 2),
        log_mib=round(log, 2),
    )


@dataclass(frozen=True)
class Comparison:
    """One figure at the marks after warm-up and at the last ones, as medians."""

    bound: Bound
    before: float
    after: float

    @property
    def is_within(self) -> bool:
        return self.bound.allows(self.before, self.after)

    def as_dict(self) -> dict[str, Any]:
        numbers = {"before": self.before, "after": self.after, "bound": str(self.bound)}
        return {"figure": self.bound.figure, **numbers, "is_within": self.is_within}


def compare(samples: Sequence[Sample]) -> list[Comparison]:
    """Compare the marks of the last life; nothing where there are too few."""
    last = max((s.life for s in samples), default=0)
    marks = [s for s in samples if s.is_mark and s.life == last]
    warm = marks[int(len(marks) * WARM_UP) :]
    if len(marks) < LEAST_MARKS:
        return []
    third = max(1, len(warm) // 3)

    def median(of: Sequence[Sample], figure: str) -> float:
        return statistics.median(s.figure(figure) for s in of)

    return [
        Comparison(b, median(warm[:third], b.figure), median(warm[-third:], b.figure))
        for b in BOUNDS
    ]


def unsettled(engine: Engine, files: Callable[[], list[str]]) -> str | None:
    """Wait until the disk holds `files` and little else; return what does not come about."""
    end = time.monotonic() + SETTLED_S
    while True:
        there, wanted = engine.segment_files(), files()
        log, deleted = engine.disk_mib("log"), engine.use().open_deleted
        wrong = _difference(there, wanted) or (f"open though removed: {deleted}" if deleted else "")
        if not wrong and log <= LOG_MIB:
            return None
        if time.monotonic() > end:
            return wrong or f"the insert log holds {log:.1f} MiB though all rows are in segments"
        time.sleep(0.2)


def _difference(there: Sequence[str], wanted: Sequence[str]) -> str:
    # What an index file is called is not told: they are counted.
    rows = {name for name in there if name.endswith(".seg")}
    indexes = len(there) - len(rows)
    due = {name for name in wanted if name.endswith(".seg")}
    if rows == due and indexes == len(wanted) - len(due):
        return ""
    return (
        f"segment files {sorted(rows ^ due)[:5]} are too many or missing;"
        f" {indexes} other files, {len(wanted) - len(due)} indexes"
    )
