"""The insert log's file: what was written comes back, and damage is told from a tear."""

from pathlib import Path

import numpy as np
import pytest

from quiver_engine.errors import StartError
from quiver_engine.files import log_records
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.files.log_records import Kind, Record


def write(directory: Path, records: int) -> Path:
    log = InsertLog(directory, Durability.FSYNC)
    assert list(log.replay()) == []
    log.start(0)
    for number in range(1, records + 1):
        vectors = np.full((3, 2), number, np.float32)
        record = Record(Kind.USER_IDS, 1, 2, np.arange(3) + number, vectors)
        log.sync_to(log.append(record))
    log.close(is_flushed=False)
    (path,) = directory.iterdir()
    return path


def sequences(directory: Path) -> list[int]:
    return [record.sequence for record in InsertLog(directory, Durability.FSYNC).replay()]


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Kind, scope, ids and vectors are the same, in the order they were written."""
    write(tmp_path, 3)
    back = list(InsertLog(tmp_path, Durability.FSYNC).replay())
    assert [r.sequence for r in back] == [1, 2, 3]
    assert {(r.kind, r.collection, r.partition) for r in back} == {(Kind.USER_IDS, 1, 2)}
    np.testing.assert_array_equal(back[2].ids, [3, 4, 5])
    np.testing.assert_array_equal(back[2].vectors, np.full((3, 2), 3))


def test_a_torn_tail_is_cut_off_at_every_byte(tmp_path: Path) -> None:
    """However far the last record got, the ones before it are read and nothing else."""
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    record = (len(whole) - len(log_records.FILE_HEADER)) // 3
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = max(0, length - len(log_records.FILE_HEADER)) // record
        assert sequences(tmp_path) == list(range(1, complete + 1))
    assert list(tmp_path.iterdir()) == [path]


def test_a_flipped_bit_costs_its_record_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever a bit flips, the other records are read; before the last it is named as damage."""
    path = write(tmp_path, 3)
    whole = path.read_bytes()
    start = len(log_records.FILE_HEADER)
    record = (len(whole) - start) // 3
    for place in range(start, len(whole)):
        caplog.clear()
        content = bytearray(whole)
        content[place] ^= 4
        path.write_bytes(content)
        hit = (place - start) // record + 1
        assert sequences(tmp_path) == [n for n in (1, 2, 3) if n != hit]
        aside = path.with_name(f"{path.name}.damaged")
        assert aside.exists() == (hit < 3)
        assert ("is damaged" in caplog.text) == (hit < 3)
        aside.unlink(missing_ok=True)


@pytest.mark.parametrize("version", [1, 9])
def test_a_log_of_another_format_is_refused(tmp_path: Path, version: int) -> None:
    """The line names both versions."""
    path = write(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[8] = version
    path.write_bytes(content)
    with pytest.raises(StartError, match=f"format version {version}, this engine reads 2"):
        sequences(tmp_path)
