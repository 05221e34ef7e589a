"""`quiver engine check`: what is wrong with the files of a stopped engine."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from support.damaging import flip_bit, index_files, segment_of
from support.index_kinds import clustered
from support.milvus1_client import Milvus1

Connect = Callable[[EngineProcess], Milvus1]
ROWS = 5000


def check(data_dir: Path, *options: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a check."""
    command = [sys.executable, "-m", "quiver_engine", "check", "--data-dir", str(data_dir)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def content(data_dir: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}


@pytest.fixture
def killed(own_engine: EngineProcess, connect: Connect) -> tuple[Path, Path]:
    """A data directory after a kill, with an indexed segment and rows in the log; the segment."""
    client = connect(own_engine)
    client.create("c", dimension=8)
    client.insert("c", clustered(ROWS, 8), range(ROWS))
    client.create_index("c", 2, '{"nlist": 4}')
    segment = segment_of(own_engine.data_dir, client, "c", "_default")
    client.command("set_config storage.auto_flush_interval 0")
    client.insert("c", clustered(10, 8), range(10))
    own_engine.kill()
    return own_engine.data_dir, segment


def test_a_sound_directory_is_told_file_by_file_and_not_changed(
    killed: tuple[Path, Path],
) -> None:
    """The exit code is 0, and what a crash left behind is none of the damage."""
    data_dir, segment = killed
    (data_dir / "segments" / "999.seg.tmp").write_bytes(b"half a file")
    (data_dir / "notes.txt").write_text("")
    before = content(data_dir)
    code, said, _ = check(data_dir)
    assert code == 0, said
    assert (
        f"sound     segments/{segment.name}: {ROWS} rows of partition '_default' of 'c'\n" in said
    )
    assert f"{index_files(data_dir)[0].name}: the index of {segment.name}\n" in said
    assert "sound     catalog.sqlite: 1 collections, 1 segments, format version 6\n" in said
    assert "sound     log/1.log: 2 inserts and deletes\n" in said
    assert "unused    segments/999.seg.tmp: left by a crash; the next start removes it\n" in said
    assert "unused    notes.txt: it is no file of the engine's\n" in said
    assert said.endswith("7 files: 5 sound, 2 unused, 0 mendable, 0 damaged, 0 fatal\n")
    after = content(data_dir)
    assert {path.name for path in set(after) ^ set(before)} <= {"catalog.sqlite-shm"}
    assert {p for p in before if p.suffix != ".sqlite-shm" and before[p] != after[p]} == set()


def test_damage_is_told_by_what_a_start_makes_of_it(
    killed: tuple[Path, Path], own_engine: EngineProcess, connect: Connect
) -> None:
    """An index is mended by --repair, which moves the log into segments; rows are not to be had."""
    data_dir, segment = killed
    index = index_files(data_dir)[0]
    flip_bit(index, -1)
    code, said, _ = check(data_dir)
    assert code == 3
    why = "its content does not match its checksum"
    assert f"mendable  segments/{index.name}: {why}; the engine builds it anew\n" in said
    flip_bit(segment, -1)
    code, said, _ = check(data_dir)
    assert code == 4
    assert f"damaged   segments/{segment.name}: {why}; a start leaves out {ROWS} rows" in said
    code, said, log = check(data_dir, "--repair")
    assert code == 4
    after = said.partition("after the repair:\n")[2]
    assert f"damaged   segments/{segment.name}" in after
    assert index.name not in after
    assert "log/" not in after
    assert f"segment file {segment} is damaged" in log
    flip_bit(segment, -1)
    code, said, _ = check(data_dir)
    assert (code, "2 segments" in said) == (0, True)
    assert connect(own_engine.start()).count("c") == ROWS + 10


def test_what_a_start_refuses_is_fatal(killed: tuple[Path, Path]) -> None:
    """The line tells what to do, and --repair changes nothing."""
    data_dir, _ = killed
    path = data_dir / "catalog.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    path.with_name("catalog.sqlite-wal").unlink(missing_ok=True)
    before = content(data_dir)
    code, said, log = check(data_dir, "--repair")
    assert code == 5
    assert "fatal     catalog.sqlite: catalog" in said
    assert "restore the data directory from a backup" in said
    assert "nothing is repaired" in log
    assert content(data_dir).keys() == before.keys()


def test_a_damaged_log_is_told_and_kept_as_a_copy(killed: tuple[Path, Path]) -> None:
    """The records around the damage are read; a repair keeps the file under another name."""
    data_dir, _ = killed
    flip_bit(data_dir / "log" / "1.log", 100)
    code, said, _ = check(data_dir)
    assert code == 4
    assert "damaged   log/1.log: damaged at bytes 16 to " in said
    code, said, _ = check(data_dir, "--repair")
    assert code == 0
    assert "unused    log/1.log.damaged: a copy of a damaged log file; remove it" in said


def test_a_check_is_refused_while_an_engine_runs(own_engine: EngineProcess, tmp_path: Path) -> None:
    """And so is a directory that no engine has made; neither is changed."""
    code, _, said = check(own_engine.data_dir)
    assert code == 1
    assert f"in use by another engine (process {own_engine.pid})" in said
    assert own_engine.get("/readyz") == (200, "ready\n")
    code, _, said = check(tmp_path)
    assert code == 1
    assert f"{tmp_path} is not the data directory of an engine" in said
    assert check(tmp_path / "missing")[0] == 2
