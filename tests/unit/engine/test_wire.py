"""The fast reading of rows: equal to the protobuf parser's on whatever a client may send."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quiver_engine.errors import RequestError
from quiver_engine.model import Rows
from quiver_engine.wire import codec, fields
from quiver_proto import milvus_pb2 as pb
from support.hostile_messages import messages, twisted


def parsed(records: list[pb.RowRecord]) -> list[list[float]] | None:
    """Return the rows' values; None where they differ in kind or width."""
    floats = [list(record.float_data) for record in records]
    bits = [list(record.binary_data) for record in records]
    for values, others in ((floats, bits), (bits, floats)):
        if len({len(row) for row in values}) == 1 and not any(others):
            return values
    return None


def read(rows: Rows) -> list[list[float]] | None:
    return None if rows.vectors is None else rows.vectors.tolist()


def random_insert(random: np.random.Generator) -> pb.InsertParam:
    """Return an Insert that is plain more often than not, and odd in one of many ways otherwise."""
    count, width = int(random.integers(0, 40)), int(random.integers(0, 70))
    vectors = random.normal(size=(count, width)).astype(np.float32)
    if random.random() < 0.4:
        rows = [pb.RowRecord(binary_data=vector.tobytes()) for vector in vectors]
    else:
        rows = [pb.RowRecord(float_data=vector) for vector in vectors]
    request = pb.InsertParam(
        collection_name="é" * int(random.integers(0, 100)),
        row_record_array=rows,
        partition_tag=str(random.integers(0, 3) or ""),
        extra_params=[pb.KeyValuePair(key="params", value="{}")] * int(random.integers(0, 2)),
    )
    if random.random() < 0.5:
        request.row_id_array.extend(random.integers(-(2**63), 2**63 - 1, count).tolist())
    if random.random() < 0.2:
        request.row_record_array.add(float_data=[1.0] * int(random.integers(0, 70)))
    if random.random() < 0.1:
        request.row_record_array.add(binary_data=b"\1\2")
    return request


@pytest.mark.parametrize("seed", range(5))
def test_inserts_read_as_the_parser_reads_them(seed: int) -> None:
    """Rows, ids, name and tag equal the parser's for random messages, split in two or not."""
    random = np.random.default_rng(seed)
    for _ in range(200):
        request = random_insert(random)
        raw = request.SerializeToString()
        if random.random() < 0.3:
            later = random_insert(random)
            raw += later.SerializeToString()
            request.MergeFrom(later)
        batch = codec.decode_insert(raw)
        records = list(request.row_record_array)
        assert batch.rows.count == len(records)
        assert batch.rows.floats == sum(len(record.float_data) for record in records)
        assert batch.rows.bytes == sum(len(record.binary_data) for record in records)
        assert read(batch.rows) == parsed(records)
        assert (batch.ids is None) == (not request.row_id_array)
        assert batch.ids is None or batch.ids.tolist() == list(request.row_id_array)
        assert batch.collection == request.collection_name
        assert batch.tag == (request.partition_tag or "_default")


@pytest.mark.parametrize("seed", range(5))
def test_damaged_requests_are_refused_or_read_as_the_parser_reads_them(seed: int) -> None:
    """With bytes cut or flipped the outcome is the parser's: the same rows, or a refusal."""
    random = np.random.default_rng(seed)
    for _ in range(300):
        raw = bytearray(random_insert(random).SerializeToString())
        if raw and random.random() < 0.5:
            raw[int(random.integers(len(raw)))] ^= 1 << int(random.integers(8))
        raw = bytes(raw[: int(random.integers(len(raw) + 1))])
        try:
            records = list(pb.InsertParam.FromString(raw).row_record_array)
        except Exception:  # noqa: BLE001 - whatever the parser's refusal is
            with pytest.raises(RequestError, match="not a valid milvus"):
                codec.decode_insert(raw)
            continue
        rows = codec.decode_insert(raw).rows
        assert rows.count == len(records)
        if rows.vectors is not None:
            np.testing.assert_array_equal(rows.vectors, np.array(parsed(records)))


def test_searches_read_as_the_parser_reads_them() -> None:
    """Name, tags, rows, topk and the text under `params` arrive; other parameters do not matter."""
    request = pb.SearchParam(
        collection_name="c",
        partition_tag_array=["a", "b.*"],
        query_record_array=[pb.RowRecord(float_data=[1, 2]), pb.RowRecord(float_data=[3, 4])],
        topk=9,
        extra_params=[
            pb.KeyValuePair(key="other", value="x"),
            pb.KeyValuePair(key="params", value='{"nprobe": 1}'),
        ],
    )
    query = codec.decode_search(request.SerializeToString())
    assert (query.collection, query.tags, query.topk) == ("c", ("a", "b.*"), 9)
    assert (read(query.rows), query.params) == ([[1, 2], [3, 4]], '{"nprobe": 1}')


@pytest.mark.parametrize("row", [{"float_data": [0.0] * 128}, {"binary_data": bytes(64)}])
def test_plain_rows_never_reach_the_parser(
    monkeypatch: pytest.MonkeyPatch, row: dict[str, Any]
) -> None:
    """Ten thousand equal rows are cut out before the rest of the message is parsed."""
    sizes = []
    parse = codec.parse
    monkeypatch.setattr(
        codec,
        "parse",
        lambda kind, raw, rows=0: (sizes.append(len(raw)), parse(kind, raw, rows))[1],
    )
    records = [pb.RowRecord(**row)] * 10_000
    raw = pb.InsertParam(collection_name="c", row_record_array=records).SerializeToString()
    assert codec.decode_insert(raw).rows.count == 10_000
    assert sizes == [len(b"\x0a\x01c")]


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (200, 100)])
def test_results_are_written_as_protobuf_writes_them(shape: tuple[int, int]) -> None:
    """The bytes of a result parse to its ids and distances."""
    random = np.random.default_rng(1)
    ids = random.integers(-1, 2**62, shape)
    distances = random.normal(size=shape).astype(np.float32)
    result = pb.TopKQueryResult.FromString(codec.encode_topk(ids, distances))
    assert (result.row_num, result.status.reason) == (shape[0], "OK")
    np.testing.assert_array_equal(result.ids, ids.ravel())
    np.testing.assert_array_equal(np.array(result.distances, np.float32), distances.ravel())


def test_a_search_in_files_tells_its_collection() -> None:
    """Whatever stands before or behind its name, and however long that is."""
    search = pb.SearchParam(collection_name="é" * 127, topk=3).SerializeToString()
    of_files = pb.SearchInFilesParam(file_id_array=map(str, range(999))).SerializeToString()
    within = pb.SearchInFilesParam(
        search_param=pb.SearchParam.FromString(search)
    ).SerializeToString()
    for raw in (within, of_files + within, within + of_files):
        assert fields.searched_in_files(raw).decode() == "é" * 127


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x12",
        b"\x12\x05",
        b"\xff" * 20,
        pb.SearchInFilesParam(
            file_id_array=["f"] * 1000, search_param=pb.SearchParam(collection_name="late")
        ).SerializeToString(),
    ],
)
def test_where_a_search_in_files_has_no_collection_at_hand_none_is_told(raw: bytes) -> None:
    """Cut short, no message at all, or behind too many files: these take turns as one."""
    assert fields.searched_in_files(raw) == b""


def outcome(raw: bytes) -> tuple[object, ...] | None:
    try:
        batch = codec.decode_insert(raw)
    except RequestError:
        return None
    ids = None if batch.ids is None else batch.ids.tolist()
    return batch.collection, batch.tag, ids, *described(batch.rows)


def described(rows: Rows) -> tuple[object, ...]:
    # The parser's way through Python's floats keeps that a number is none, not how it is written.
    content = None if rows.vectors is None else np.nan_to_num(rows.vectors, nan=1e9).tobytes()
    return rows.count, rows.floats, rows.bytes, content


def slow(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...] | None:
    with monkeypatch.context() as patched:
        patched.setattr(codec, "_cut_rows", lambda raw, _: (None, raw))
        return outcome(raw)


@seed(1)
@settings(
    max_examples=150,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    messages(pb.InsertParam.DESCRIPTOR)
    .map(lambda message: message.SerializeToString())
    .flatmap(lambda raw: st.just(raw) | twisted(raw))
)
def test_rows_are_read_as_the_parser_reads_them(raw: bytes) -> None:
    """Any Insert, valid or not, is the same whether its rows are cut out or parsed."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert outcome(raw) == slow(raw, monkeypatch)
