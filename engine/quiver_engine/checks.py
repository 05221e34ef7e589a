"""Checks requests, with the codes of Milvus 1.x and in its order. Pure."""

import re
from collections.abc import Iterable, Sequence

from quiver_engine.errors import RequestError
from quiver_engine.model import (
    DEFAULT_TAG,
    MAX_DIMENSION,
    MAX_IDS_PER_GET,
    MAX_INDEX_FILE_SIZE_MB,
    MAX_INSERT_BYTES,
    MAX_RESULT_BYTES,
    MAX_TOPK,
    MIB,
    NAME_BYTES,
    TAG_BLANKS,
    TAG_BYTES,
    IdOrigin,
    InsertBatch,
    Metric,
    Rows,
    Schema,
    Vectors,
)
from quiver_proto import milvus_pb2 as pb

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BINARY_METRICS = {metric for metric in Metric if metric.is_binary}
_BYTES_PER_RESULT = 12
_BYTES_PER_ID = 8


def schema(request: pb.CollectionSchema) -> Schema:
    """Return the schema that CreateCollection asks for.

    Raises RequestError ILLEGAL_COLLECTION_NAME, ILLEGAL_DIMENSION, ILLEGAL_ARGUMENT or
    ILLEGAL_METRIC_TYPE.
    """
    name(request.collection_name)
    _dimension(request.dimension, request.metric_type)
    _index_file_size(request.index_file_size)
    return Schema(
        request.collection_name,
        request.dimension,
        request.index_file_size,
        _metric(request.metric_type),
    )


def name(text: str) -> None:
    """Raise RequestError ILLEGAL_COLLECTION_NAME for a name that no collection can have."""
    if len(text.encode()) > NAME_BYTES or not _NAME.fullmatch(text):
        raise RequestError(
            pb.ILLEGAL_COLLECTION_NAME,
            f"collection name {text[:300]!r} is not allowed: take 1 to {NAME_BYTES} ASCII letters,"
            " digits and underscores, not starting with a digit",
        )


def _dimension(dimension: int, metric: int) -> None:
    if not 1 <= dimension <= MAX_DIMENSION:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"dimension {dimension} is out of range: give 1 to {MAX_DIMENSION}",
        )
    if metric in _BINARY_METRICS and dimension % 8:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"dimension {dimension} does not suit a binary metric: give a multiple of 8",
        )


def _index_file_size(megabytes: int) -> None:
    if not 1 <= megabytes <= MAX_INDEX_FILE_SIZE_MB:
        raise RequestError(
            pb.ILLEGAL_ARGUMENT,
            f"index_file_size {megabytes} is out of range: give 1 to {MAX_INDEX_FILE_SIZE_MB} MB",
        )


def _metric(number: int) -> Metric:
    try:
        return Metric(number)
    except ValueError as error:
        raise RequestError(
            pb.ILLEGAL_METRIC_TYPE,
            f"metric_type {number} is unknown; there are"
            f" {', '.join(f'{metric.value} ({metric.name})' for metric in Metric)}",
        ) from error


def new_tag(tag: str) -> None:
    """Raise RequestError UNEXPECTED_ERROR for a tag that no partition may be created with."""
    if tag == DEFAULT_TAG:
        raise RequestError(
            pb.UNEXPECTED_ERROR, f"partition {tag!r} always exists; choose another tag"
        )
    tags([tag])


def tags(given: Iterable[str]) -> None:
    """Raise RequestError UNEXPECTED_ERROR for a tag that no partition can have."""
    for tag in given:
        meant = tag.strip(TAG_BLANKS)
        if not meant.strip() or len(meant.encode()) > TAG_BYTES:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"partition tag {tag[:300]!r} is not allowed: take 1 to {TAG_BYTES} bytes,"
                " not blank",
            )


def dropped_tag(tag: str) -> None:
    """Raise RequestError ILLEGAL_COLLECTION_NAME for `_default`, which every collection keeps.

    Raise UNEXPECTED_ERROR for a tag that no partition can have.
    """
    if tag == DEFAULT_TAG:
        raise RequestError(
            pb.ILLEGAL_COLLECTION_NAME,
            f"partition {tag!r} cannot be dropped; drop the collection instead",
        )
    tags([tag])


def insert_request(batch: InsertBatch) -> None:
    """Check what an Insert says without its collection.

    Raises RequestError ILLEGAL_COLLECTION_NAME, ILLEGAL_ROWRECORD or ILLEGAL_VECTOR_ID.
    """
    name(batch.collection)
    _some_rows(batch.rows)
    if batch.ids is not None and len(batch.ids) != batch.rows.count:
        raise RequestError(
            pb.ILLEGAL_VECTOR_ID,
            f"{len(batch.ids)} ids for {batch.rows.count} rows: give one id a row, or none at all",
        )


def id_origin(collection: str, known: IdOrigin | None, given: IdOrigin) -> None:
    """Raise RequestError ILLEGAL_VECTOR_ID for an Insert whose ids have another origin.

    `known` is the origin of the collection's ids, None before its first insert.
    """
    if known is None or known is given:
        return
    cure = {
        IdOrigin.USER: "got ids with its first insert: give ids with every insert",
        IdOrigin.AUTOMATIC: "has automatic ids since its first insert: give none",
    }[known]
    raise RequestError(pb.ILLEGAL_VECTOR_ID, f"collection {collection!r} {cure}")


def vectors(rows: Rows, schema: Schema) -> Vectors:
    """Return rows in the collection's layout, of shape (count, width).

    Raises RequestError ILLEGAL_ROWRECORD or ILLEGAL_DIMENSION.
    """
    _some_rows(rows)
    width = schema.layout.width
    if schema.metric.is_binary:
        wrong, strangers, values, own = rows.floats, "float_data", rows.bytes, "binary_data"
        wanted = f"each row {width} bytes of binary_data, {schema.dimension} bits"
    else:
        wrong, strangers, values, own = rows.bytes, "binary_data", rows.floats, "float_data"
        wanted = f"each row {width} floats of float_data"
    if wrong:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"rows of {strangers} do not suit the collection's metric {schema.metric.name}:"
            f" give {wanted}",
        )
    if values % rows.count:
        raise RequestError(
            pb.ILLEGAL_ROWRECORD,
            f"{rows.count} rows hold {values} values of {own}: give {wanted}",
        )
    if rows.vectors is None or rows.vectors.shape[1] != width:
        raise RequestError(
            pb.ILLEGAL_DIMENSION,
            f"a row's length is not the collection's: give {wanted}",
        )
    return rows.vectors


def _some_rows(rows: Rows) -> None:
    if not rows.floats and not rows.bytes:
        raise RequestError(
            pb.ILLEGAL_ROWRECORD, "no rows, or only empty ones: give at least one vector"
        )


def insert_size(found: Vectors) -> None:
    """Raise RequestError ILLEGAL_ROWRECORD for more vectors than one Insert may bring."""
    if found.nbytes > MAX_INSERT_BYTES:
        raise RequestError(
            pb.ILLEGAL_ROWRECORD,
            f"{found.nbytes} bytes of vectors in one call, at most {MAX_INSERT_BYTES}"
            f" ({MAX_INSERT_BYTES // MIB} MiB) are allowed: split the insert",
        )


def topk(number: int) -> None:
    """Raise RequestError ILLEGAL_TOPK for a topk out of range."""
    if not 1 <= number <= MAX_TOPK:
        raise RequestError(pb.ILLEGAL_TOPK, f"topk {number} is out of range: give 1 to {MAX_TOPK}")


def wanted_ids(ids: Sequence[int]) -> None:
    """Raise RequestError ILLEGAL_ARGUMENT for no ids, or more than one call takes."""
    if not 1 <= len(ids) <= MAX_IDS_PER_GET:
        raise RequestError(
            pb.ILLEGAL_ARGUMENT, f"{len(ids)} ids: give 1 to {MAX_IDS_PER_GET} in one call"
        )


def answered_ids(segment: str, count: int) -> None:
    """Raise RequestError ILLEGAL_ARGUMENT when a segment has more ids than one answer may hold."""
    if count * _BYTES_PER_ID > MAX_RESULT_BYTES:
        raise RequestError(
            pb.ILLEGAL_ARGUMENT,
            f"segment {segment!r} has {count} ids, one answer holds at most"
            f" {MAX_RESULT_BYTES // _BYTES_PER_ID}: give the collection a smaller index_file_size",
        )


def result_size(queries: int, topk: int) -> None:
    """Raise RequestError ILLEGAL_TOPK for more results than one answer may hold."""
    size = queries * topk * _BYTES_PER_RESULT
    if size > MAX_RESULT_BYTES:
        raise RequestError(
            pb.ILLEGAL_TOPK,
            f"{queries} queries x topk {topk} make {size} bytes of results, at most"
            f" {MAX_RESULT_BYTES} are allowed: ask with fewer queries or a smaller topk",
        )
