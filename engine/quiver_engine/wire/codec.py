"""Decodes and encodes the two hot calls, Insert and Search, without an object per row or float.

Rows of one dimension have a constant stride on the wire: the same header bytes, then the packed
floats, or the bits. Such a block is read as one strided array and cut out of the message. The rest,
a few dozen bytes, goes through the protobuf parser. Other rows (of several widths or kinds, with
unpacked floats, or apart from each other) send the whole message through the parser. The parser
takes many times the memory of a message, so the size of what it gets is limited.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message

from quiver_engine.errors import RequestError
from quiver_engine.model import (
    DEFAULT_TAG,
    MAX_PARSED_BYTES,
    MIB,
    Floats,
    Ids,
    InsertBatch,
    Query,
    Rows,
    Vectors,
)
from quiver_engine.wire import fields
from quiver_proto import milvus_pb2 as pb

M = TypeVar("M", bound=Message)

_VALUES: dict[int, np.dtype[np.float32 | np.uint8]] = {
    1 << 3 | fields.DELIMITED: np.dtype("<f4"),
    2 << 3 | fields.DELIMITED: np.dtype("u1"),
}
"""The keys of float_data and binary_data, and the types of their values."""
_INSERT_ROWS_KEY = 2 << 3 | fields.DELIMITED
_SEARCH_ROWS_KEY = 3 << 3 | fields.DELIMITED
_DISTANCES_KEY = 4 << 3 | fields.DELIMITED
_ROW_NUM_KEY = 2 << 3
_OK_RESULT = pb.TopKQueryResult(status=pb.Status(reason="OK")).SerializeToString()
_IDS_AT_ONCE = 1 << 16
_NO_QUERIES = Rows(count=0, floats=0, bytes=0, vectors=None)


def parse(message_type: type[M], raw: bytes, rows: int = 0) -> M:
    """Parse a protobuf message; `rows` plain rows were cut out of it beforehand.

    Raises RequestError ILLEGAL_ARGUMENT when the bytes are no such message, or too many.
    """
    if len(raw) > MAX_PARSED_BYTES + fields.MAX_VARINT_BYTES * rows:
        raise RequestError(
            pb.ILLEGAL_ARGUMENT,
            f"the request has {len(raw)} bytes beside plain rows, {MAX_PARSED_BYTES // MIB} MiB"
            " are allowed: split it; rows are plain when all are packed, of one length, and follow"
            " each other",
        )
    try:
        return message_type.FromString(raw)
    except (DecodeError, UnicodeDecodeError) as error:
        name = message_type.DESCRIPTOR.name
        raise RequestError(
            pb.ILLEGAL_ARGUMENT,
            f"the request's {len(raw)} bytes are not a valid milvus.grpc.{name}:"
            " check that the client speaks the Milvus 1.x protocol and sends UTF-8",
        ) from error


def decode_insert(raw: bytes) -> InsertBatch:
    """Read a serialized InsertParam; raises RequestError ILLEGAL_ARGUMENT for other bytes."""
    block, rest = _cut_rows(raw, _INSERT_ROWS_KEY)
    message = parse(pb.InsertParam, rest, 0 if block is None else len(block))
    if block is not None and message.row_record_array:
        block, message = None, parse(pb.InsertParam, raw)
    return InsertBatch(
        collection=message.collection_name,
        tag=message.partition_tag or DEFAULT_TAG,
        rows=_rows(block, message.row_record_array),
        ids=to_array(message.row_id_array) if message.row_id_array else None,
    )


def decode_search(raw: bytes) -> Query:
    """Read a serialized SearchParam; raises RequestError ILLEGAL_ARGUMENT for other bytes."""
    queries, rest = cut_search(raw)
    if queries is not None:
        return join_search(queries, rest)
    message = parse(pb.SearchParam, raw)
    return _query(message, _rows(None, message.query_record_array))


def cut_search(raw: bytes) -> tuple[Vectors | None, bytes]:
    """Return a SearchParam's plain queries, of shape (queries, width), and the rest of the message.

    Where it has no plain queries, or others besides, return None and the whole message.
    """
    queries, rest = _cut_rows(raw, _SEARCH_ROWS_KEY)
    if queries is None or fields.has(rest, _SEARCH_ROWS_KEY):
        return None, raw
    return queries, rest


def join_search(queries: Vectors, rest: bytes) -> Query:
    """Put the two results of `cut_search` together again.

    Raises RequestError ILLEGAL_ARGUMENT when the bytes are no SearchParam.
    """
    return replace(_without_queries(rest), rows=Rows.of(queries))


# Most searches differ in their queries only.
@lru_cache(maxsize=128)
def _without_queries(rest: bytes) -> Query:
    return _query(parse(pb.SearchParam, rest), _NO_QUERIES)


def _query(message: pb.SearchParam, rows: Rows) -> Query:
    return Query(
        collection=message.collection_name,
        tags=tuple(message.partition_tag_array),
        rows=rows,
        topk=message.topk,
        params=params_text(message.extra_params),
    )


def to_array(ids: Sequence[int]) -> Ids:
    """Return a message's ids as int64, without a Python number for each of them at a time."""
    return np.fromiter(ids, np.int64, len(ids))


def params_text(pairs: Iterable[pb.KeyValuePair]) -> str | None:
    """Return the last value of the key `params`, which should be JSON; None without such a key."""
    values = [pair.value for pair in pairs if pair.key == "params"]
    return values[-1] if values else None


def encode_topk(ids: Ids, distances: Floats) -> bytes:
    """Serialize a TopKQueryResult of ids and distances, both of shape (queries, topk)."""
    # Serialized messages that follow each other are read as one: their lists are joined.
    parts = [_OK_RESULT, bytes([_ROW_NUM_KEY]), fields.encode_varint(len(ids))]
    parts += [
        pb.TopKQueryResult(ids=some.tolist()).SerializeToString() for some in _shares(ids.ravel())
    ]
    packed = distances.astype("<f4", copy=False).tobytes()
    if packed:
        parts += [bytes([_DISTANCES_KEY]) + fields.encode_varint(len(packed)), packed]
    return b"".join(parts)


def encode_ids(ids: Ids) -> bytes:
    """Serialize VectorIds of ids, shape (n,)."""
    parts = [pb.VectorIds(status=pb.Status(reason="OK")).SerializeToString()]
    parts += [
        pb.VectorIds(vector_id_array=some.tolist()).SerializeToString() for some in _shares(ids)
    ]
    return b"".join(parts)


def _shares(ids: Ids) -> Iterator[Ids]:
    # As Python's numbers, ids take four times the memory.
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]


def _rows(block: Vectors | None, records: Sequence[pb.RowRecord]) -> Rows:
    if block is not None:
        return Rows.of(block)
    floats = [len(record.float_data) for record in records]
    bits = [len(record.binary_data) for record in records]
    vectors: Vectors | None = None
    if len(set(floats)) == 1 and not any(bits):
        vectors = _stacked(records, floats[0])
    elif len(set(bits)) == 1 and not any(floats):
        joined = b"".join(record.binary_data for record in records)
        vectors = np.frombuffer(joined, np.uint8).reshape(len(records), -1)
    return Rows(count=len(records), floats=sum(floats), bytes=sum(bits), vectors=vectors)


def _stacked(records: Sequence[pb.RowRecord], width: int) -> Floats:
    rows = np.empty((len(records), width), np.float32)
    if width:
        # Row by row: numpy would first make Python's numbers of all rows.
        for row, record in zip(rows, records, strict=True):
            row[:] = record.float_data
    return rows


def _cut_rows(raw: bytes, key: int) -> tuple[Vectors | None, bytes]:
    """Return the block of plain rows, of shape (rows, width), and the message without it.

    Where the message has none, return None and the whole message.
    """
    try:
        start = fields.find(raw, key)
        header, stride, dtype = _row_layout(raw, start)
    except (IndexError, ValueError):
        return None, raw
    end = start + stride
    if raw[start : start + header] != raw[end : end + header]:
        row = np.frombuffer(raw[start + header : end], dtype)
        return row.reshape(1, -1), raw[:start] + raw[end:]
    grid = np.frombuffer(raw, np.uint8, offset=start)
    grid = grid[: len(grid) // stride * stride].reshape(-1, stride)
    strangers = np.flatnonzero((grid[:, :header] != grid[0, :header]).any(axis=1))
    count = int(strangers[0]) if len(strangers) else len(grid)
    block = np.ascontiguousarray(grid[:count, header:]).view(dtype)
    return block, raw[:start] + raw[start + count * stride :]


def _row_layout(raw: bytes, start: int) -> tuple[int, int, np.dtype[np.float32 | np.uint8]]:
    """Return the bytes of a row's header, those of the whole row, and the type of its values.

    Raises ValueError for a row that is not plain.
    """
    row_length, inner = fields.read_varint(raw, start + 1)
    length, values = fields.read_varint(raw, inner + 1)
    dtype = _VALUES.get(raw[inner])
    end = values + length
    plain = dtype is not None and length and end == inner + row_length and end <= len(raw)
    if dtype is None or not plain or length % dtype.itemsize:
        raise ValueError("not a plain row of packed values")
    return values - start, end - start, dtype
