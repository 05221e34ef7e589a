"""The HTTP side: probes and metrics."""

import json
import re
from collections.abc import Callable

from machine.engine_process import EngineProcess
from support.milvus1_client import Milvus1

Connect = Callable[[EngineProcess], Milvus1]


def metric(engine: EngineProcess, line: str) -> float:
    """Return the value of the sample whose name and labels are given."""
    _, text = engine.get("/metrics")
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_probes_answer_one_line(engine: EngineProcess) -> None:
    """A serving engine is alive and ready; other paths are told what there is."""
    assert engine.get("/healthz") == (200, "alive\n")
    assert engine.get("/readyz") == (200, "ready\n")
    status, line = engine.get("/")
    assert (status, "/metrics" in line) == (404, True)


def test_metrics_count_calls_by_outcome_and_tell_what_is_held(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Calls are counted by rpc and code; rows, segments and bytes by collection."""
    client.create("m", dimension=4)
    client.create("m", dimension=4)
    client.create_partition("m", "p")
    client.insert("m", [[0.0] * 4] * 10)
    client.flush()
    assert metric(engine, 'quiver_engine_calls_total{code="0",rpc="CreateCollection"}') == 1
    assert metric(engine, 'quiver_engine_calls_total{code="9",rpc="CreateCollection"}') == 1
    assert metric(engine, 'quiver_engine_call_duration_seconds_count{rpc="Insert"}') == 1
    assert metric(engine, "quiver_engine_collections") == 1
    assert metric(engine, "quiver_engine_partitions") == 1
    assert metric(engine, 'quiver_engine_rows{collection="m"}') == 10
    assert metric(engine, 'quiver_engine_segments{collection="m",state="raw"}') == 1
    assert metric(engine, 'quiver_engine_segments{collection="m",state="indexed"}') == 0
    assert metric(engine, 'quiver_engine_disk_bytes{collection="m"}') == 64 + 10 * (8 + 16)
    assert metric(engine, 'quiver_engine_buffered_bytes{collection="m"}') == 0


def test_metrics_tell_what_goes_through(own_engine: EngineProcess, connect: Connect) -> None:
    """Rows and bytes inserted and searched, and the time of each fsync that answered for them."""
    client = connect(own_engine)
    client.create("t", dimension=4)
    for _ in range(3):
        client.insert("t", [[0.0] * 4] * 10)
    client.insert("t", [[0.0] * 3] * 10)
    client.flush()
    client.search("t", [[0.0] * 4] * 5)
    assert metric(own_engine, "quiver_engine_inserted_rows_total") == 30
    assert 30 * 16 < metric(own_engine, "quiver_engine_inserted_bytes_total") < 30 * 32
    assert metric(own_engine, "quiver_engine_searched_queries_total") == 5
    assert metric(own_engine, "quiver_engine_searched_rows_total") == 30
    assert metric(own_engine, "quiver_engine_searched_bytes_total") >= 30 * (8 + 16)
    assert metric(own_engine, "quiver_engine_fsync_duration_seconds_count") == 3
    assert 0 < metric(own_engine, "quiver_engine_fsync_duration_seconds_sum") < 30


def test_the_log_can_be_json(own_engine: EngineProcess) -> None:
    """With --log-format json every line of the log is an object with time, level and message."""
    own_engine.stop()
    own_engine.start("--log-format", "json")
    own_engine.stop()
    lines = [json.loads(line) for line in own_engine.log.read_text().splitlines()]
    assert [line["level"] for line in lines] == ["info"] * 3
    assert lines[0]["message"] == "computing on the CPU"
    assert lines[1]["message"].startswith("listening grpc=")
