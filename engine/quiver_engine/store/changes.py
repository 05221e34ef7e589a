"""Works out a partition's segments after a flush, a merge or a deletion. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quiver_engine.files import deletions, segments
from quiver_engine.files.deletions import Deletions, Mask
from quiver_engine.files.segments import Segment
from quiver_engine.model import Ids
from quiver_engine.store.collection import Partition


@dataclass(frozen=True)
class Change:
    """What happens to one partition in one step.

    `added` segments join it. `removed` ones leave it; they are as they were when their rows were
    read. The rows whose ids are in `deleted` are deleted from all others; `masks` has these rows by
    a segment's number, where they were worked out beforehand.
    """

    partition: Partition
    added: Sequence[Segment] = ()
    removed: Sequence[Segment] = ()
    deleted: Ids | None = None
    masks: Mapping[int, Mask] = field(default_factory=dict)

    @property
    def is_void(self) -> bool:
        """Whether the partition was dropped, or what is to be removed was left out as damaged."""
        here = {segment.id for segment in self.partition.segments}
        return self.partition.dropped or not {s.id for s in self.removed} <= here


def segments_after(change: Change) -> tuple[Segment, ...]:
    """Return the partition's segments after the change."""
    removed = {segment.id for segment in change.removed}
    kept = [s for s in change.partition.segments if s.id not in removed]
    if change.deleted is not None and len(change.deleted):
        kept = [_less(segment, change.deleted, change.masks.get(segment.id)) for segment in kept]
    return (*kept, *_less_late_ones(change))


def _less(segment: Segment, deleted: Ids, mask: Mask | None) -> Segment:
    hit = deletions.hit(segment.ids, deleted) if mask is None else mask
    if not hit.any():
        return segment
    before = segment.deletions or deletions.none(segment.rows)
    return segments.with_deletions(segment, before.plus(hit))


def _less_late_ones(change: Change) -> Iterator[Segment]:
    """Yield the added segments without the rows that were deleted while they were written."""
    now = {segment.id: segment for segment in change.partition.segments}
    if not any(now[read.id].deletions for read in change.removed):
        yield from change.added
        return
    late = np.concatenate([_mask(now[read.id])[~_mask(read)] for read in change.removed])
    for segment in change.added:
        hit, late = late[: segment.rows], late[segment.rows :]
        yield segments.with_deletions(segment, Deletions(hit)) if hit.any() else segment


def _mask(segment: Segment) -> Mask:
    return (segment.deletions or deletions.none(segment.rows)).rows
