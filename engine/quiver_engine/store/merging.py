"""Chooses the segments to merge next. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

from quiver_engine.files.segments import Segment

FAN_IN = 4


def victims(segments: Sequence[Segment], sealed_rows: int) -> list[Segment]:
    """Return the segments to merge into one full segment and a rest, or into one; or none.

    Unsealed segments that together fill a segment are merged right away. Others are merged by fours
    of like size: a row is then rewritten once for each fourfold growth, and not at every flush. A
    segment with an index is merged into a full segment only, which gets an index of its own.
    """
    small = sorted(unsealed(segments, sealed_rows), key=lambda s: -s.rows)
    for count, rows in enumerate(accumulate(segment.rows for segment in small), start=1):
        if rows >= sealed_rows:
            return small[:count]
    tiers = defaultdict(list)
    for segment in (s for s in small if s.index is None):
        tiers[segment.rows.bit_length() // 2].append(segment)
    return next((tiers[tier] for tier in sorted(tiers) if len(tiers[tier]) >= FAN_IN), [])


def unsealed(segments: Iterable[Segment], sealed_rows: int) -> list[Segment]:
    return [segment for segment in segments if segment.rows < sealed_rows]
