"""What a start tells of itself while it takes long."""

import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.files.progress import LOG_S, Progress
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.server.health import HealthServer, Readiness
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer


def insert(writer: Writer, count: int) -> None:
    vectors = np.zeros((count, 4), np.float32)
    writer.insert(InsertBatch("c", "_default", Rows.of(vectors), None))


def readyz(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_start_tells_how_far_it_has_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """/readyz answers 503 with what is verified and replayed; so does the log, now and then."""
    store = Store(tmp_path / "data")
    store.create_collection(Schema("c", dimension=4, index_file_size=1, metric=Metric.L2))
    log = InsertLog(store.directory.log_path, Durability.FSYNC)
    writer = Writer(store, log)
    for _ in range(2):
        insert(writer, 10)
        writer.flush_all()
    for _ in range(4):
        insert(writer, 43_690)
    log.close(is_flushed=False)
    store.close()

    readiness, answers = Readiness(), list[tuple[int, str]]()
    port = HealthServer("127.0.0.1", 0, readiness, Metrics()).port

    def clock() -> float:
        answers.append(readyz(port))
        return len(answers) * LOG_S / 4

    progress = Progress(clock)
    readiness.not_ready(lambda: str(progress))
    caplog.set_level("INFO")
    store = Store(tmp_path / "data", progress=progress)
    Writer(store, InsertLog(store.directory.log_path, Durability.FSYNC), progress)
    store.close()
    assert {status for status, _ in answers} == {503}
    seen = list(dict.fromkeys(line.strip() for _, line in answers[1:]))
    replayed = "of the insert log replayed"
    assert seen[:4] == [
        f"recovering: 0 of 2 segments verified, 0.0 of 0.0 MiB {replayed}",
        f"recovering: 1 of 2 segments verified, 0.0 of 0.0 MiB {replayed}",
        f"recovering: 2 of 2 segments verified, 0.0 of 0.0 MiB {replayed}",
        f"recovering: 2 of 2 segments verified, 0.0 of 4.0 MiB {replayed}",
    ]
    assert seen[-1] == f"recovering: 2 of 2 segments verified, 4.0 of 4.0 MiB {replayed}"
    told = [r.message for r in caplog.records if r.message.startswith("recovering: ")]
    assert 1 < len(told) < len(answers) / 2
