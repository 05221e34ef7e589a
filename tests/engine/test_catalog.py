"""The catalog of an older format is brought forward, and a damaged one is told from a sound one."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from machine.engine_process import EngineProcess
from quiver_engine.errors import StartError
from quiver_engine.files.catalog_formats import FORMATS
from quiver_engine.store.store import Store
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids

Connect = Callable[[EngineProcess], Milvus1]
WITH_LAST_IDS = 4
OLDEST = """
ATTACH '{now}' AS now;
INSERT INTO collections (id, name, dimension, index_file_size, metric, id_origin)
    SELECT id, name, dimension, index_file_size, metric, id_origin FROM now.collections;
INSERT INTO partitions (id, tag, collection) SELECT id, tag, collection FROM now.partitions;
INSERT INTO segments (id, rows, partition) SELECT id, rows, partition FROM now.segments;
"""


def bring_back(path: Path, version: int) -> None:
    """Put a catalog of that format, with the same collections and segments, in its place."""
    now = path.rename(path.with_name("now.sqlite"))
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for statements in FORMATS[:version]:
            older.executescript(statements)
        older.executescript(OLDEST.format(now=now))
        if version >= WITH_LAST_IDS:
            older.execute("INSERT OR REPLACE INTO last_ids SELECT * FROM now.last_ids")
        older.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", range(1, len(FORMATS)))
def test_an_older_catalog_is_upgraded_and_keeps_everything(
    own_engine: EngineProcess, connect: Connect, version: int
) -> None:
    """Collections, partitions and rows are there, and all that came later works on them."""
    client = connect(own_engine)
    client.create("c", dimension=2, index_file_size=7, metric_type=2)
    client.create_partition("c", "p")
    client.insert("c", [[i, 1] for i in range(5000)], range(5000))
    client.insert("c", [[7, 7]], [7000], "p")
    assert own_engine.stop() == 0
    bring_back(own_engine.data_dir / "catalog.sqlite", version)
    client = connect(own_engine.start())
    schema = client.stub.DescribeCollection(pb.CollectionName(collection_name="c"))
    assert (schema.dimension, schema.index_file_size, schema.metric_type) == (2, 7, 2)
    assert client.partitions("c") == ["_default", "p"]
    assert (client.count("c"), client.vectors("c", [7000])) == (5001, [[7, 7]])
    assert client.describe_index("c") == (1, "{}")
    assert client.insert("c", [[1, 1]]).status.error_code == pb.ILLEGAL_VECTOR_ID
    assert client.create_index("c", 2, '{"nlist": 4}').error_code == pb.SUCCESS
    client.create("new", dimension=2)
    client.insert("c", [[9999, 1]], [9999])
    client.delete("c", [4999])
    own_engine.kill()
    client = connect(own_engine.start())
    client.flush()
    assert (client.count("c"), client.collections()) == (5001, ["c", "new"])
    found = found_ids(client.search("c", [[1, 0]], topk=2, params='{"nprobe": 4}'))
    assert found.tolist() == [[9999, 4998]]


def test_a_flipped_bit_in_the_catalog_is_refused_in_one_line_or_does_no_harm(
    own_engine: EngineProcess, connect: Connect, tmp_path: Path
) -> None:
    """Wherever it is, there is no other end than a refusal that names the file, or a start."""
    client = connect(own_engine)
    for name in ("c", "d"):
        client.create(name, dimension=1)
        client.create_partition(name, "p")
        client.insert(name, [[1], [2]], [1, 2], "p")
        client.flush(name)
        client.delete(name, [1])
    assert own_engine.stop() == 0
    path = own_engine.data_dir / "catalog.sqlite"
    sound = path.read_bytes()
    refusals = []
    for flipped in flips(sound, 250):
        path.write_bytes(flipped)
        copy = shutil.copytree(own_engine.data_dir, tmp_path / "copy")
        try:
            Store(copy).close()
        except StartError as error:
            refusals.append(str(error))
        shutil.rmtree(copy)
    assert len(refusals) > 150
    assert [line for line in refusals if "catalog.sqlite" not in line or "\n" in line] == []


def flips(content: bytes, count: int) -> Iterator[bytes]:
    places = [place for place, byte in enumerate(content) if byte]
    for place in random.Random(7).sample(places, count):  # noqa: S311 - the same ones each time
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        yield bytes(flipped)
