"""Requests that ask for too much: refused in time, before memory is taken for them."""

import time
from pathlib import Path

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_engine.calls import patterns
from quiver_engine.model import MAX_PARSED_BYTES, MIB
from quiver_engine.wire import fields
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids, records
from support.waiting import wait_until

ROOM = 200 * MIB
"""What an engine may take beside the bytes of a refused request."""


def peak_bytes(process: EngineProcess) -> int:
    """Return the most memory the process has held since `forget_peak`."""
    return process.status_bytes("VmHWM")


def forget_peak(process: EngineProcess) -> int:
    """Let the peak begin anew; return what is held now."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return peak_bytes(process)


@pytest.fixture
def line(client: Milvus1) -> str:
    """A collection of ten rows on a line."""
    client.create("line", dimension=1)
    if not client.segments("line"):
        client.insert("line", [[i] for i in range(10)], range(10))
        client.flush("line")
    return "line"


def unfolding(field: bytes) -> bytes:
    """Return more than may be parsed of an empty field, or of ids where only the key is given."""
    if len(field) == 2:
        return field * (MAX_PARSED_BYTES // 2)
    return field + fields.encode_varint(MAX_PARSED_BYTES) + b"\1" * MAX_PARSED_BYTES


def status_of(answer: bytes, reply: type) -> pb.Status:
    message = reply.FromString(answer)
    return message if reply is pb.Status else message.status


@pytest.mark.parametrize(
    ("rpc", "reply", "field"),
    [
        ("Insert", pb.VectorIds, b"\x12\0"),
        ("Insert", pb.VectorIds, b"\x1a"),
        ("Search", pb.TopKQueryResult, b"\x1a\0"),
        ("SearchByID", pb.TopKQueryResult, b"\x1a"),
        ("SearchInFiles", pb.TopKQueryResult, b"\x0a\0"),
        ("DeleteByID", pb.Status, b"\x12"),
        ("Flush", pb.Status, b"\x0a\0"),
        ("CreateIndex", pb.Status, b"\x22\0"),
    ],
)
def test_a_request_that_would_unfold_is_refused_unread(
    engine: EngineProcess, client: Milvus1, rpc: str, reply: type, field: bytes
) -> None:
    """Small rows, ids and names by the million: code 5, and no memory is taken for them."""
    name = pb.CollectionName(collection_name="unfolded").SerializeToString()
    before = forget_peak(engine)
    status = status_of(client.raw(rpc, name + unfolding(field)), reply)
    assert status.error_code == pb.ILLEGAL_ARGUMENT
    assert "16 MiB" in status.reason
    assert peak_bytes(engine) - before < ROOM


def test_results_for_more_than_an_answer_are_refused_before_they_are_made(
    engine: EngineProcess, client: Milvus1, line: str
) -> None:
    """SearchByID and Search check queries x topk first: code 10, and no memory is taken."""
    before = forget_peak(engine)
    by_id = pb.SearchByIDParam(collection_name=line, id_array=[77] * 1000, topk=1 << 20)
    assert client.stub.SearchByID(by_id).status.error_code == pb.ILLEGAL_TOPK
    result = client.search(line, [[0]] * 22, topk=1 << 20)
    assert result.status.error_code == pb.ILLEGAL_TOPK
    assert "at most 268435456 are allowed" in result.status.reason
    assert peak_bytes(engine) - before < ROOM


def test_the_largest_answer_costs_a_few_times_its_size(
    engine: EngineProcess, client: Milvus1, line: str
) -> None:
    """Four million results of four queries arrive, padded, for less than 500 MiB."""
    before = forget_peak(engine)
    result = client.search(line, [[0]] * 4, topk=1 << 20)
    assert (result.row_num, len(result.ids)) == (4, 4 << 20)
    assert list(result.ids[:10]) == list(range(10))
    assert set(result.ids[10:1000]) == {-1}
    assert peak_bytes(engine) - before < 500 * MIB


def test_many_results_are_those_of_few_queries_at_a_time(client: Milvus1) -> None:
    """More results than are merged at once are the ones that each query gets by itself."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(1200, 4)).astype(np.float32)
    client.create("many", dimension=4)
    client.insert("many", rows[:700], range(700))
    client.flush("many")
    client.insert("many", rows[700:], range(700, 1200))
    client.flush("many")
    queries = random.normal(size=(4300, 4)).astype(np.float32)
    result = client.search("many", queries, topk=1000)
    assert result.row_num == 4300
    for place in (0, 4193, 4194, 4299):
        alone = client.search("many", queries[place : place + 1], topk=1000)
        mine = result.ids[place * 1000 : (place + 1) * 1000]
        np.testing.assert_array_equal(mine, found_ids(alone)[0])


def test_many_rows_of_one_id_cost_no_more_than_one(engine: EngineProcess, client: Milvus1) -> None:
    """GetVectorsByID gives the row written last, without a copy of all the others."""
    rows = np.zeros((40_000, 128), np.float32)
    rows[-1] = 5
    client.create("same", dimension=128)
    client.insert("same", rows, [7] * len(rows))
    client.flush("same")
    before = forget_peak(engine)
    assert client.vectors("same", [7, 7]) == [[5.0] * 128] * 2
    assert peak_bytes(engine) - before < rows.nbytes // 2


def test_many_rows_are_flushed_before_their_time(own_engine: EngineProcess) -> None:
    """Rows of more than 32 MiB are seen soon, even without automatic flushes: no insert waits."""
    client = Milvus1(own_engine.grpc_address)
    client.command("set_config storage.auto_flush_interval 0")
    client.create("c", dimension=32_768)
    rows = np.zeros((140, 32_768), np.float32)
    for vectors in (rows, rows, rows[:1]):
        client.insert("c", vectors)
    wait_until(lambda: client.count("c") >= 2 * len(rows), "they are flushed", 20)
    client.close()


def test_names_by_the_hundred_thousand_are_looked_up_once(client: Milvus1, line: str) -> None:
    """SearchInFiles, ReloadSegments and Flush answer within seconds, however often one is named."""
    names = [client.segments(line)[0]["name"]] * 100_000
    query = pb.SearchParam(collection_name=line, query_record_array=records([[3.2]]), topk=1)
    started = time.monotonic()
    found = client.stub.SearchInFiles(
        pb.SearchInFilesParam(file_id_array=names, search_param=query)
    )
    assert found_ids(found).tolist() == [[3]]
    reload = pb.ReLoadSegmentsParam(collection_name=line, segment_id_array=names)
    assert client.stub.ReloadSegments(reload).error_code == pb.SUCCESS
    assert client.flush(*[line] * 100_000).error_code == pb.SUCCESS
    assert time.monotonic() - started < 10


def test_tags_of_a_search_are_limited(client: Milvus1, line: str) -> None:
    """4,096 tags are looked up at once; a 65th expression or a 4,097th tag answers code 1."""
    tags = [f"tag-{i}" for i in range(4095)] + ["_default"]
    assert patterns.matching(tags, ["_default", "other"]) == ["_default"]
    for refused in ([*tags, "x"], [f"{i}.*" for i in range(65)]):
        status = client.search(line, [[0]], tags=refused).status
        assert status.error_code == pb.UNEXPECTED_ERROR
        assert "at most 4096 are allowed" in status.reason


def test_reasons_do_not_repeat_what_is_long(client: Milvus1, line: str) -> None:
    """A name of a million bytes comes back cut."""
    long = "\0" * 1_000_000
    reasons = [
        client.drop(long).reason,
        client.delete(line, [1], tag=long).reason,
        client.search(line, [[0]], tags=[long]).status.reason,
        client.command(long).string_reply,
        client.command(f"get_config {long}").status.reason,
        client.create(long).reason,
    ]
    assert all(0 < len(reason) < 3000 for reason in reasons)


def test_compacting_what_was_deleted_here_and_there_takes_little_memory(
    own_engine: EngineProcess,
) -> None:
    """Every other row of many is deleted: the others are copied a chunk at a time."""
    client = Milvus1(own_engine.grpc_address)
    client.create("sparse", dimension=2)
    rows = np.column_stack([np.arange(500_000), np.ones(500_000)]).astype(np.float32)
    client.insert("sparse", rows, range(500_000))
    client.delete("sparse", range(0, 500_000, 2))
    client.flush("sparse")
    client.delete("sparse", range(1, 500_000, 4))
    client.flush("sparse")
    before = forget_peak(own_engine)
    assert client.compact("sparse") == pb.Status(reason="OK")
    assert peak_bytes(own_engine) < before + 48 * MIB
    assert client.count("sparse") == 125_000
    assert client.vectors("sparse", [3, 5, 499_999]) == [[3, 1], [], [499_999, 1]]
    client.close()
