"""Damage under a running engine: found, and dealt with as at a start."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from quiver_engine.store.store import Store
from support.damaging import flip_bit, index_files, segment_of, states
from support.index_kinds import clustered
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
ROWS = 5000
OFTEN = ("--scrub-rate", "8Gi")
"""Each file eight times a second."""


def metric(engine: EngineProcess, sample: str) -> float | None:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", engine.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else None


def damage_found(engine: EngineProcess, file: str, outcome: str) -> float | None:
    return metric(engine, f'quiver_engine_scrub_damage_total{{file="{file}",outcome="{outcome}"}}')


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that looks for damage often."""
    process = EngineProcess(tmp_path_factory.mktemp("engine") / "data").start(*OFTEN)
    yield process
    process.stop()


def fill(client: Milvus1, name: str) -> None:
    """Make a collection with ROWS rows in each of two partitions."""
    client.create(name, dimension=8)
    client.create_partition(name, "p")
    rows = clustered(2 * ROWS, 8)
    client.insert(name, rows[:ROWS], range(ROWS), "p")
    client.insert(name, rows[ROWS:], range(ROWS, 2 * ROWS))
    client.flush(name)


def test_a_segment_that_is_damaged_while_the_engine_runs_is_left_out_and_told_of(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Log, /readyz, metrics and report tell what a start tells; the other rows are served."""
    fill(client, "left_out")
    path = segment_of(engine.data_dir, client, "left_out", "p")
    flip_bit(path, -1)
    damaged = path.read_bytes()
    wait_until(lambda: states(engine, "left_out")["damaged"], "the damage is found")
    log = engine.log.read_text()
    why = "is damaged: its content does not match its checksum"
    assert (
        f"ERROR   segment file {path} {why}; its {ROWS} rows of partition 'p' of 'left_out'" in log
    )
    assert engine.get("/readyz")[1].startswith("ready, but 1 segment file is damaged")
    report = json.loads(client.command("report").string_reply)
    assert report["damaged"] == {"segments": 1, "collections": {"left_out": 1}}
    assert damage_found(engine, "segment", "left_out") == 1
    assert client.count("left_out") == ROWS
    found = found_ids(client.search("left_out", clustered(ROWS, 8)[:1], topk=ROWS))
    assert set(found[0]) == set(range(ROWS, 2 * ROWS))
    assert path.read_bytes() == damaged


def test_a_segment_that_memory_has_intact_is_written_anew(
    engine: EngineProcess, client: Milvus1, tmp_path: Path
) -> None:
    """Nothing is lost, not even its deletions and its index; the next start finds it sound."""
    fill(client, "intact")
    client.create_index("intact", 2, '{"nlist": 4}')
    client.delete("intact", [0])
    client.flush("intact")
    path = segment_of(engine.data_dir, client, "intact", "p")
    sound = path.read_bytes()
    other = path.with_name("other")
    other.write_bytes(sound)
    flip_bit(other, 100)
    other.rename(path)
    wait_until(lambda: path.read_bytes() == sound, "the file is sound again")
    wait_until(lambda: damage_found(engine, "segment", "rewritten") == 1, "it is counted")
    assert "memory has it intact, and it was written anew" in engine.log.read_text()
    assert client.count("intact") == 2 * ROWS - 1
    assert states(engine, "intact") == {"raw": 0, "indexed": 2, "damaged": 0}
    copy = shutil.copytree(engine.data_dir, tmp_path / "copy")
    store = Store(copy)
    restarted = store.collection("intact")
    assert (restarted.rows, restarted.damaged) == (2 * ROWS - 1, [])
    store.close()


def test_an_index_that_is_damaged_while_the_engine_runs_is_built_anew(
    engine: EngineProcess, client: Milvus1
) -> None:
    """Its segment stays, and the damaged file goes."""
    fill(client, "i")
    before = set(index_files(engine.data_dir))
    client.create_index("i", 2, '{"nlist": 4}')
    path = min(set(index_files(engine.data_dir)) - before)
    flip_bit(path, -1)
    wait_until(lambda: not path.exists(), "the damaged index goes")
    wait_until(lambda: states(engine, "i")["indexed"] == 2, "it is built anew")
    assert damage_found(engine, "index", "rebuilt") == 1
    assert f"index file {path} is damaged" in engine.log.read_text()
    assert client.count("i") == 2 * ROWS


def test_a_merge_gives_no_damaged_rows_a_checksum_that_fits(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """A compaction that meets damage leaves the segment out and rewrites nothing of it."""
    own_engine.stop()
    client = connect(own_engine.start("--scrub-rate", "0"))
    client.create("c", dimension=8)
    client.insert("c", clustered(ROWS, 8), range(ROWS))
    client.flush("c")
    client.delete("c", range(ROWS // 2))
    client.flush("c")
    path = segment_of(own_engine.data_dir, client, "c", "_default")
    flip_bit(path, -1)
    client.compact("c")
    assert states(own_engine, "c") == {"raw": 0, "indexed": 0, "damaged": 1}
    assert path.exists()
    assert metric(own_engine, "quiver_engine_scrub_oldest_check_age_seconds") is None


def test_files_that_come_and_go_are_no_damage(engine: EngineProcess, client: Milvus1) -> None:
    """Writes, merges, compactions, indexes and drops go on while files are read."""
    before = engine.log.read_text().count("damaged")
    rows = clustered(ROWS, 8)
    for number in range(6):
        name = f"c{number % 3}"
        client.drop(name)
        client.create(name, dimension=8)
        client.create_partition(name, "p")
        for tag in ("", "p"):
            client.insert(name, rows, range(ROWS), tag)
            client.flush(name)
        client.create_index(name, 2, '{"nlist": 4}')
        client.delete(name, range(ROWS // 2), "p")
        client.flush(name)
        client.compact(name)
        client.drop_index(name)
        client.drop_partition(name, "p")
    read = metric(engine, "quiver_engine_scrub_bytes_total")
    assert read
    assert read > 100 * 2**10
    assert engine.log.read_text().count("damaged") == before
    assert [states(engine, f"c{number}")["damaged"] for number in range(3)] == [0, 0, 0]


def test_metrics_tell_how_old_the_oldest_check_is(
    own_engine: EngineProcess, engine: EngineProcess, client: Milvus1, connect: Connect
) -> None:
    """A walk that gets round keeps it low; one that has only begun lets it grow."""
    age = "quiver_engine_scrub_oldest_check_age_seconds"
    fill(client, "age")
    read = metric(engine, "quiver_engine_scrub_bytes_total") or 0
    held = sum(path.stat().st_size for path in (engine.data_dir / "segments").iterdir())

    def is_read_three_times() -> bool:
        return (metric(engine, "quiver_engine_scrub_bytes_total") or 0) > read + 3 * held

    wait_until(is_read_three_times, "the files are read")
    assert (metric(engine, age) or 0) < 30
    own_engine.stop()
    fill(connect(own_engine.start("--scrub-rate", "1")), "age")
    wait_until(lambda: (metric(own_engine, age) or 0) > 0.5, "the age grows")


def test_what_is_dropped_is_let_go_by_a_walk_that_has_it_before_it(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """A walk takes days where there is much to read: the disk has the room at once."""
    age = "quiver_engine_scrub_oldest_check_age_seconds"
    own_engine.stop()
    client = connect(own_engine.start("--scrub-rate", "1"))
    fill(client, "dropped")
    own_engine.stop()
    client = connect(own_engine.start("--scrub-rate", "1"))
    wait_until(lambda: (metric(own_engine, age) or 0) > 0.5, "the walk has begun")
    client.drop("dropped")
    folder = own_engine.data_dir / "segments"
    wait_until(lambda: not list(folder.iterdir()), "the files are removed")
    wait_until(lambda: not held_files(own_engine), "removed files are let go")


def held_files(engine: EngineProcess) -> list[str]:
    """Return the removed files that a process still has open or mapped."""
    process = Path(f"/proc/{engine.pid}")
    opened = [str(link.readlink()) for link in (process / "fd").iterdir() if link.is_symlink()]
    mapped = (process / "maps").read_text().splitlines()
    mark = f"{engine.data_dir}/segments/"
    return [each for each in (*opened, *mapped) if mark in each and "(deleted)" in each]
