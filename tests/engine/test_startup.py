"""What an engine says when it cannot start: one line, exit code 1, nothing touched."""

import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from crc32c import crc32c

from machine.engine_process import EngineProcess
from quiver_engine.errors import StartError
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.model import InsertBatch, Metric, Rows, Schema
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from support.milvus1_client import Milvus1

Connect = Callable[[EngineProcess], Milvus1]


def refusal(data_dir: Path, *options: str, under: Sequence[str] = ()) -> str:
    """Start an engine that must refuse; return the one line it says."""
    command = [*under, sys.executable, "-m", "quiver_engine", "--data-dir", str(data_dir)]
    defaults = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, *defaults, *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with one segment in it."""
    store = Store(tmp_path_factory.mktemp("used") / "data")
    writer = Writer(store, InsertLog(store.directory.log_path, Durability.OS))
    store.create_collection(Schema("c", dimension=4, index_file_size=1, metric=Metric.L2))
    rows = Rows.of(np.zeros((10, 4), np.float32))
    writer.insert(InsertBatch("c", "_default", rows, None))
    writer.flush_all()
    path = store.directory.path
    store.close()
    for log in (path / "log").iterdir():
        log.unlink()
    return path


@pytest.fixture
def made(used: Path, tmp_path: Path) -> Path:
    """A copy of a data directory with one segment in it."""
    return shutil.copytree(used, tmp_path / "data")


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
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        assert f"data directory {path} cannot be used: {file} is a file, and" in refusal(path)


def put_a_file_in_the_place_of_a_folder(data_dir: Path) -> str:
    (data_dir / "log").rmdir()
    (data_dir / "log").write_text("")
    return f"{data_dir}/log is a file, and a directory belongs there: move it away"


def put_a_folder_in_the_place_of_a_file(data_dir: Path) -> str:
    (data_dir / "LOCK").unlink()
    (data_dir / "LOCK").mkdir()
    return f"{data_dir}/LOCK is a directory, and a file belongs there: move it away"


def put_a_directory_in_a_segments_place(data_dir: Path) -> str:
    segment = the_segment(data_dir)
    segment.unlink()
    segment.mkdir()
    return f"{segment} is a directory, and a file belongs there: move it away"


def put_a_pipe_in_the_place_of_a_file(data_dir: Path) -> str:
    (data_dir / "INSTANCE").unlink()
    os.mkfifo(data_dir / "INSTANCE")
    return f"{data_dir}/INSTANCE is a named pipe, and a file belongs there: move it away"


def lead_a_link_nowhere(data_dir: Path) -> str:
    gone = data_dir.rename(data_dir.with_name("gone"))
    data_dir.symlink_to(gone / "further")
    return f"{data_dir} is a symbolic link to {gone}/further, which is nothing, and a directory"


def fill_with_foreign_files(data_dir: Path) -> str:
    shutil.rmtree(data_dir)
    data_dir.mkdir()
    for name in ("notes", ".hidden", "lost+found"):
        (data_dir / name).mkdir()
    return "it holds 'notes' and nothing of an engine's: choose an empty directory"


@pytest.mark.parametrize(
    "obstruct",
    [
        put_a_file_in_the_place_of_a_folder,
        put_a_folder_in_the_place_of_a_file,
        put_a_directory_in_a_segments_place,
        put_a_pipe_in_the_place_of_a_file,
        lead_a_link_nowhere,
        fill_with_foreign_files,
    ],
)
def test_what_is_in_the_way_is_named(made: Path, obstruct: Callable[[Path], str]) -> None:
    """The line has the path, what is there, what belongs there and what to do."""
    said = obstruct(made)
    with pytest.raises(StartError, match=re.escape(said)):
        Store(made)


def test_a_link_to_a_directory_and_a_fresh_volume_are_fine(made: Path) -> None:
    """A symbolic link counts as what it leads to; a volume may hold what its file system makes."""
    link = made.with_name("link")
    link.symlink_to(made)
    volume = made.with_name("volume")
    (volume / "lost+found").mkdir(parents=True)
    for path, names in ((link, ["c"]), (volume, [])):
        store = Store(path)
        assert [collection.schema.name for collection in store.collections()] == names
        store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take rights away from the engine")
def test_missing_rights_are_named_with_owner_mode_and_user(made: Path) -> None:
    """And so is a file system that is mounted read-only."""
    bare = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    (made / "catalog.sqlite").chmod(0o040)
    line = refusal(made, under=bare)
    assert f"{made}/catalog.sqlite belongs to user 0 and group 0 with mode 0040" in line
    assert "the engine runs as user 0 and group 0, who may not read and write it" in line
    closed = made.with_name("closed")
    closed.mkdir(mode=0o555)
    assert f"{closed} belongs to user 0" in refusal(closed / "data", under=bare)
    mount = f"mount --bind {made} {made} && mount -o remount,ro,bind {made} && exec"
    line = refusal(made, under=["unshare", "-m", "sh", "-c", f'{mount} "$@"', "sh"])
    assert f"{made} is on a file system that is mounted read-only: mount it writable" in line


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


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_catalog, "catalog.sqlite cannot be read: file is not a database"),
        (remove_catalog, "has segment files or logs and no catalog"),
        (empty_catalog, "has segment files or logs and no catalog"),
        (take_anothers_catalog, "another program's database"),
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
    assert "format version 99, this engine reads 6" in line


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
