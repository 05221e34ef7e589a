"""What an engine says when it cannot start: one line, exit code 1, nothing touched."""

import socket
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crc32c import crc32c

from machine.engine_process import EngineProcess
from support.milvus1_client import Milvus1

Connect = Callable[[EngineProcess], Milvus1]


def refusal(data_dir: Path, *options: str) -> str:
    """Start an engine that must refuse; return the one line it says."""
    command = [sys.executable, "-m", "quiver_engine", "--data-dir", str(data_dir)]
    defaults = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, *defaults, *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture
def data_dir(tmp_path: Path, connect: Connect) -> Path:
    """A data directory with one segment in it, its engine stopped."""
    process = EngineProcess(tmp_path / "data").start()
    client = connect(process)
    client.create("c", dimension=4)
    client.insert("c", [[1, 2, 3, 4]] * 10)
    client.flush()
    assert process.stop() == 0
    return process.data_dir


def the_segment(data_dir: Path) -> Path:
    (segment,) = (data_dir / "segments").iterdir()
    return segment


def test_a_second_engine_on_the_same_directory_is_refused(own_engine: EngineProcess) -> None:
    """The line names the directory and the process that has it."""
    line = refusal(own_engine.data_dir)
    assert str(own_engine.data_dir) in line
    assert f"in use by another engine (process {own_engine.pid})" in line


@pytest.mark.parametrize("option", ["--listen", "--http"])
def test_a_taken_port_is_refused(tmp_path: Path, option: str) -> None:
    """The line names the address and the option that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refusal(tmp_path / "data", option, address)
    assert address in line
    assert option in line


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A path below a file, or one that is a file, cannot hold data."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"data directory {path} cannot be used" in refusal(path)


def damage_catalog(data_dir: Path) -> None:
    (data_dir / "catalog.sqlite").write_bytes(b"not a database at all" * 100)


def remove_catalog(data_dir: Path) -> None:
    (data_dir / "catalog.sqlite").unlink()


def empty_catalog(data_dir: Path) -> None:
    (data_dir / "catalog.sqlite").write_bytes(b"")


def take_anothers_catalog(data_dir: Path) -> None:
    remove_catalog(data_dir)
    with sqlite3.connect(data_dir / "catalog.sqlite") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()


def put_a_directory_in_a_segments_place(data_dir: Path) -> None:
    segment = the_segment(data_dir)
    segment.unlink()
    segment.mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_catalog, "catalog.sqlite cannot be read: file is not a database"),
        (remove_catalog, "has segment files or logs and no catalog"),
        (empty_catalog, "has segment files or logs and no catalog"),
        (take_anothers_catalog, "another program's database"),
        (put_a_directory_in_a_segments_place, ".seg cannot be read: Is a directory"),
    ],
)
def test_a_damaged_directory_is_refused_and_left_alone(
    data_dir: Path, damage: Callable[[Path], None], said: str
) -> None:
    """The line tells which file is damaged and how; no file is removed."""
    damage(data_dir)
    before = {path: path.stat().st_size for path in (data_dir / "segments").iterdir()}
    line = refusal(data_dir)
    assert said in line
    assert str(data_dir) in line
    assert {path: path.stat().st_size for path in (data_dir / "segments").iterdir()} == before


def test_a_newer_format_is_refused(data_dir: Path) -> None:
    """A directory of a later format names both versions and says which engine to start."""
    with sqlite3.connect(data_dir / "catalog.sqlite") as catalog:
        catalog.execute("PRAGMA user_version = 99")
    catalog.close()
    line = refusal(data_dir)
    assert "format version 99, this engine reads 5" in line


@pytest.mark.parametrize("version", [1, 9])
def test_a_segment_of_another_format_is_refused(data_dir: Path, version: int) -> None:
    """It is no damage: the line names both versions."""
    header = bytearray(the_segment(data_dir).read_bytes()[:28])
    header[8] = version
    with the_segment(data_dir).open("r+b") as file:
        file.write(header + struct.pack("<I", crc32c(header)))
    assert f"format version {version}, this engine reads 2" in refusal(data_dir)


def test_help_is_for_those_who_never_heard_of_it() -> None:
    """--help says what the engine is for, how to reach it and how to stop it."""
    done = subprocess.run(
        [sys.executable, "-m", "quiver_engine", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for words in ("nearest", "pymilvus==1.1.2", "SIGTERM", "127.0.0.1:19530", "--data-dir"):
        assert words in done.stdout
