"""Finds rows by id and segments by name or partition, and describes a collection."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from quiver_engine.calls import patterns
from quiver_engine.errors import RequestError
from quiver_engine.files.segments import Segment
from quiver_engine.indexes.kinds import KINDS
from quiver_engine.model import Ids, IndexType, Vectors
from quiver_engine.store.collection import Collection, Partition
from quiver_proto import milvus_pb2 as pb

_OF_BITS = "BIN_"


def vectors(name: str, segments: Sequence[Segment], ids: Sequence[int]) -> list[Vectors | None]:
    """Return the vector of each id, of shape (width,), None for an id that no row has.

    Where several rows have one id, the last one of the newest segment counts. That is the row that
    was written last, until a merge puts an older row into a newer segment. Raises RequestError
    UNEXPECTED_ERROR when there are no segments.
    """
    if not segments:
        raise RequestError(pb.UNEXPECTED_ERROR, f"there are no rows in {name!r} to get")
    wanted = np.unique(np.array(ids, np.int64))
    found: dict[int, Vectors] = {}
    for segment in sorted(segments, key=lambda segment: segment.id):
        hit = np.isin(segment.ids, wanted)
        places = np.flatnonzero(hit & ~segment.deletions.rows if segment.deletions else hit)
        # Reversed, so that `unique` finds the last row of each id. An id may have very many rows.
        known, from_behind = np.unique(segment.ids[places[::-1]], return_index=True)
        last = places[::-1][from_behind]
        found |= zip(known.tolist(), segment.vectors[last], strict=True)
    return [found.get(id_) for id_ in ids]


def ids(segment: Segment) -> Ids:
    """Return the ids, int64 (n,), of the segment's rows that are not deleted."""
    return segment.ids[~segment.deletions.rows] if segment.deletions else segment.ids


def segment(collection: Collection, name: str) -> Segment:
    """Return a segment by its name in ShowCollectionInfo; raises as `named_segments` does."""
    return named_segments(collection, [name])[0]


def named_segments(collection: Collection, names: Iterable[str]) -> list[Segment]:
    """Return segments by their names in ShowCollectionInfo, each once.

    Raises RequestError UNEXPECTED_ERROR for a name that no segment has.
    """
    known = {str(segment.id): segment for segment in collection.segments}
    wanted = dict.fromkeys(names)
    for name in wanted:
        if name not in known:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"collection {collection.schema.name!r} has no segment {name[:100]!r};"
                " ShowCollectionInfo lists those it has, and merging replaces them",
            )
    return [known[name] for name in wanted]


def matching_segments(collection: Collection, tags: tuple[str, ...]) -> list[Segment]:
    """Return the segments of the partitions that `tags` match; without tags, of all partitions.

    Raises RequestError UNEXPECTED_ERROR when no partition matches, or a tag is no valid pattern.
    """
    if not tags:
        return collection.segments
    partitions = dict(collection.partitions)
    found = patterns.matching(map(collection.tag, tags), list(partitions))
    if not found:
        raise RequestError(
            pb.UNEXPECTED_ERROR,
            f"no partition of {collection.schema.name!r} matches {', '.join(tags)[:300]!r}:"
            " a tag or a regular expression must match a whole tag; ShowPartitions lists them",
        )
    return [segment for tag in found for segment in partitions[tag].segments]


def info(collection: Collection) -> dict[str, Any]:
    """Return the answer of ShowCollectionInfo, as values for JSON."""
    partitions = [_partition_info(collection.partitions[tag]) for tag in collection.tags]
    return {
        "row_count": sum(p["row_count"] for p in partitions),
        "partitions": partitions,
        "index_build": _index_build(collection),
    }


def _index_build(collection: Collection) -> dict[str, Any] | None:
    """Return how many segments wait for their index, and why the last build failed; None while
    there is nothing to build. Milvus 1.x has no such field.
    """
    is_requested, waiting = collection.index.requested, len(collection.due)
    if not (is_requested or waiting):
        return None
    failure = collection.index_failure
    told = {"waiting": waiting, "failure": failure.why if failure else None}
    return told | {"disk_full": True} if failure and failure.is_disk_full else told


def _partition_info(partition: Partition) -> dict[str, Any]:
    segments = [_segment_info(segment) for segment in partition.segments]
    return {
        "tag": partition.tag,
        "row_count": sum(segment["row_count"] for segment in segments),
        "segments": segments,
    }


def _segment_info(segment: Segment) -> dict[str, Any]:
    index = segment.index
    name = KINDS[index.spec.type if index else IndexType.FLAT].shown_as
    return {
        "name": str(segment.id),
        "row_count": segment.living,
        "index_name": _OF_BITS + name if segment.is_binary else name,
        "data_size": index.disk_bytes if index else segment.file_bytes,
    }
