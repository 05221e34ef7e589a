"""The rows of a catalog, as its readers get them."""

import sqlite3
from dataclasses import dataclass

from quiver_engine.model import IdOrigin, IndexSpec, IndexState, IndexType, Metric, Schema


@dataclass(frozen=True)
class CollectionRow:
    id: int
    schema: Schema
    id_origin: IdOrigin | None
    index: IndexState
    flushed: int
    """All of its records in the insert log up to this number are in segments."""


@dataclass(frozen=True)
class Flushed:
    """What a flush changes of its collection."""

    collection: int
    origin: IdOrigin | None
    up_to: int
    """The last record of the insert log whose rows are in segments now."""


@dataclass(frozen=True)
class PartitionRow:
    id: int
    collection: int
    tag: str


@dataclass(frozen=True)
class SegmentRow:
    id: int
    partition: int
    rows: int
    index: int | None = None
    """Number of its index file."""
    deletions: bytes | None = None
    """A bit for each row, set where it is deleted."""


def collections(db: sqlite3.Connection) -> list[CollectionRow]:
    rows = db.execute(
        "SELECT id, id_origin, name, dimension, index_file_size, metric,"
        " index_type, index_params, index_requested, index_covers, flushed"
        " FROM collections ORDER BY id"
    )
    return [
        CollectionRow(
            id_,
            Schema(name, dimension, size, Metric(metric)),
            origin and IdOrigin(origin),
            IndexState(IndexSpec(IndexType(type_), params), bool(requested), covers),
            flushed,
        )
        for (
            id_, origin, name, dimension, size, metric, type_, params, requested, covers,
            flushed,
        ) in rows
    ]  # fmt: skip


def partitions(db: sqlite3.Connection) -> list[PartitionRow]:
    rows = db.execute("SELECT id, collection, tag FROM partitions ORDER BY id")
    return [PartitionRow(*row) for row in rows]


def segments(db: sqlite3.Connection) -> list[SegmentRow]:
    rows = db.execute(
        "SELECT segments.id, partition, rows, indexes.id, bitmap FROM segments"
        " LEFT JOIN indexes ON indexes.segment = segments.id"
        " LEFT JOIN deletions ON deletions.segment = segments.id ORDER BY segments.id"
    )
    return [SegmentRow(*row) for row in rows]
