"""Damaged files: what they hold is left out and named, and everything else is served."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.damaging import flip_bit, segment_of, states
from support.milvus1_client import Milvus1, found_ids

Connect = Callable[[EngineProcess], Milvus1]
ROWS = 5000


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_last_bit(path: Path) -> None:
    flip_bit(path, -1)


def flip_header_bit(path: Path) -> None:
    flip_bit(path, 12)


def flip_version_bit(path: Path) -> None:
    flip_bit(path, 8)


DAMAGES = {
    remove: "No such file",
    shorten: "bytes, 100064 are expected",
    flip_last_bit: "its content does not match its checksum",
    flip_header_bit: "its header is not a segment's",
    flip_version_bit: "its header is not a segment's",
}


def fill(client: Milvus1, name: str) -> None:
    """Make a collection with two segments: ids below ROWS in partition `p`, the others not."""
    client.create(name, dimension=3)
    client.create_partition(name, "p")
    vectors = np.arange(2 * ROWS * 3).reshape(-1, 3)
    client.insert(name, vectors[:ROWS], range(ROWS), "p")
    client.insert(name, vectors[ROWS:], range(ROWS, 2 * ROWS))
    client.flush(name)
    client.delete(name, [0])
    client.flush(name)


@pytest.fixture
def stopped(own_engine: EngineProcess, connect: Connect) -> dict[str, Path]:
    """A stopped engine with a collection for each damage; the paths of their segments in `p`."""
    client = connect(own_engine)
    names = [damage.__name__ for damage in DAMAGES]
    for name in names:
        fill(client, name)
    paths = {name: segment_of(own_engine.data_dir, client, name, "p") for name in names}
    assert own_engine.stop() == 0
    return paths


def test_damaged_segments_are_named_and_left_out_until_they_are_restored(
    own_engine: EngineProcess, connect: Connect, stopped: dict[str, Path]
) -> None:
    """The rest is served, no file is touched, and a restored one is served with its deletions."""
    sound = {path: path.read_bytes() for path in stopped.values()}
    for damage in DAMAGES:
        damage(stopped[damage.__name__])
    damaged = {path: path.read_bytes() for path in stopped.values() if path.exists()}
    client = connect(own_engine.start())
    log = own_engine.log.read_text()
    for damage, why in DAMAGES.items():
        name = damage.__name__
        assert re.search(rf"ERROR +segment file {stopped[name]} is damaged: .*{why}", log)
        assert f"its {ROWS} rows of partition 'p' of '{name}' are left out" in log
        assert client.count(name) == ROWS
        assert len(client.segments(name)) == 1
        assert states(own_engine, name) == {"raw": 1, "indexed": 0, "damaged": 1}
        found = found_ids(client.search(name, [[0, 1, 2]], topk=2 * ROWS))
        assert set(found[0]) == {-1, *range(ROWS, 2 * ROWS)}
        assert client.search(name, [[0, 1, 2]], tags=["p"]).status.error_code == pb.SUCCESS
    ready = "ready, but 5 segment files are damaged and left out: the log names them\n"
    assert own_engine.get("/readyz") == (200, ready)
    told = json.loads(client.command("report").string_reply)["damaged"]
    assert told == {"segments": len(DAMAGES), "collections": dict.fromkeys(stopped, 1)}
    assert {path: path.read_bytes() for path in stopped.values() if path.exists()} == damaged
    own_engine.stop()
    for path, content in sound.items():
        path.write_bytes(content)
    client = connect(own_engine.start())
    assert own_engine.get("/readyz") == (200, "ready\n")
    told = json.loads(client.command("report").string_reply)["damaged"]
    assert told == {"segments": 0, "collections": {}}
    for name in stopped:
        assert client.count(name) == 2 * ROWS - 1
        assert client.vectors(name, [0, 1]) == [[], [3, 4, 5]]


def test_what_goes_on_meanwhile_leaves_a_damaged_segment_alone(
    own_engine: EngineProcess, connect: Connect, stopped: dict[str, Path]
) -> None:
    """Inserts, merges, an index, a compaction pass it by; restored, it gets the index of now."""
    path = stopped["flip_last_bit"]
    flip_last_bit(path)
    client = connect(own_engine.start())
    for _ in range(4):
        client.insert("flip_last_bit", [[0, 0, 0]] * 10, range(10), "p")
        client.flush()
    client.create_index("flip_last_bit", 2, '{"nlist": 4}')
    client.delete("flip_last_bit", range(ROWS, 2 * ROWS))
    client.flush()
    client.compact("flip_last_bit")
    client.create_index("flip_last_bit", 3, '{"nlist": 4}')
    assert states(own_engine, "flip_last_bit")["damaged"] == 1
    own_engine.stop()
    flip_last_bit(path)
    client = connect(own_engine.start())
    assert client.create_index("flip_last_bit", 3, '{"nlist": 4}').error_code == pb.SUCCESS
    assert client.count("flip_last_bit") == ROWS - 1 + 40
    assert {s["index_name"] for s in client.segments("flip_last_bit")} >= {"IVFSQ8"}


def test_dropping_the_partition_or_collection_ends_the_damage(
    own_engine: EngineProcess, connect: Connect, stopped: dict[str, Path]
) -> None:
    """The damaged files are removed, and the name is free to insert the rows again."""
    for damage in (remove, shorten, flip_last_bit):
        damage(stopped[damage.__name__])
    client = connect(own_engine.start())
    client.drop("remove")
    client.drop("shorten")
    client.stub.DropPartition(pb.PartitionParam(collection_name="flip_last_bit", tag="p"))
    assert own_engine.get("/readyz") == (200, "ready\n")
    client.create("shorten", dimension=3)
    client.insert("shorten", [[1, 2, 3]])
    own_engine.stop()
    client = connect(own_engine.start())
    assert not stopped["shorten"].exists()
    assert not stopped["flip_last_bit"].exists()
    assert "damaged" not in own_engine.log.read_text()
    assert client.count("shorten") == 1
