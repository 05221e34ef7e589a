"""The catalog of an older format is brought forward, and a damaged one is told from a sound one."""

import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from machine.engine_process import EngineProcess
from quiver_engine.errors import StartError
from quiver_engine.files.catalog_formats import FORMATS
from quiver_engine.model import IndexSpec, IndexType, Metric, Schema
from quiver_engine.store.store import Store
from quiver_proto import milvus_pb2 as pb
from support.damaging import flip_bit
from support.milvus1_client import Milvus1, found_ids
from support.waiting import wait_until

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
            older.execute("INSERT OR REPLACE INTO last_ids SELECT kind, id FROM now.last_ids")
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


def fill(client: Milvus1) -> None:
    for name in ("c", "d"):
        client.create(name, dimension=1)
        client.create_partition(name, "p")
        client.insert(name, [[1], [2]], [1, 2], "p")
        client.flush(name)
        client.delete(name, [1])
        client.flush(name)
    client.create_index("c", 2, '{"nlist": 77}')


def held(store: Store) -> list[Any]:
    """Return all that a catalog says, as a store has it."""
    return [
        (
            collection.id,
            collection.schema,
            collection.id_origin,
            collection.index,
            collection.logged,
            [
                (tag, partition.id, [(s.id, s.rows, s.deleted) for s in partition.segments])
                for tag, partition in collection.partitions.items()
            ],
        )
        for collection in store.collections()
    ]


def test_a_flipped_bit_in_the_catalog_is_refused_in_one_line_or_does_no_harm(
    own_engine: EngineProcess, connect: Connect, tmp_path: Path
) -> None:
    """Wherever it is, there is a refusal that names the file, or a start with all that was."""
    fill(connect(own_engine))
    assert own_engine.stop() == 0
    path = own_engine.data_dir / "catalog.sqlite"
    sound = path.read_bytes()
    store = Store(shutil.copytree(own_engine.data_dir, tmp_path / "sound"))
    expected = held(store)
    store.close()
    refusals = []
    for flipped in flips(sound, 250):
        path.write_bytes(flipped)
        copy = shutil.copytree(own_engine.data_dir, tmp_path / "copy")
        try:
            store = Store(copy)
            assert held(store) == expected
            store.close()
        except StartError as error:
            refusals.append(str(error))
        shutil.rmtree(copy)
    assert len(refusals) > 150
    assert [line for line in refusals if "catalog.sqlite" not in line or "\n" in line] == []


DAMAGES = {
    "collections SET name = 'cc' WHERE name = 'c'": "row '1' of its table collections",
    "collections SET dimension = 3 WHERE name = 'c'": "row '1' of its table collections",
    "collections SET flushed = flushed + 64": "row '1' of its table collections",
    "collections SET index_params = '{\"nlist\": 76}'": "of its table collections",
    "partitions SET tag = 'q' WHERE id = 2": "row '2' of its table partitions",
    "segments SET rows = rows + 1": "of its table segments",
    "deletions SET bitmap = x'02'": "of its table deletions",
    "last_ids SET id = 1 WHERE kind = 'partition'": "row 'partition' of its table last_ids",
}


def test_a_damaged_value_in_the_catalog_is_refused(
    own_engine: EngineProcess, connect: Connect, tmp_path: Path
) -> None:
    """The line names the row whose values are not those that were written."""
    fill(connect(own_engine))
    assert own_engine.stop() == 0
    for damage, row in DAMAGES.items():
        copy = shutil.copytree(own_engine.data_dir, tmp_path / "copy")
        with closing(sqlite3.connect(copy / "catalog.sqlite")) as catalog, catalog:
            catalog.execute(f"UPDATE {damage}")
        with pytest.raises(StartError, match=f"{row} does not match its checksum"):
            Store(copy)
        shutil.rmtree(copy)


def test_a_catalog_that_is_damaged_while_the_engine_runs_is_written_anew(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Memory has it intact: the log tells of it, and the next start finds all that was there."""
    own_engine.stop()
    client = connect(own_engine.start("--scrub-rate", "8Gi"))
    fill(client)
    path = own_engine.data_dir / "catalog.sqlite"
    place = wait_until(lambda: path.read_bytes().find(b'{"nlist": 77}') + 1, "it is in the file")
    flip_bit(path, place + 10)
    assert b'{"nlist": 76}' in path.read_bytes()
    wait_until(lambda: "memory has it intact" in own_engine.log.read_text(), "it is found")
    assert re.search(
        r"catalog \S+ is damaged: row '1' of its table coll", own_engine.log.read_text()
    )
    sample = 'quiver_engine_scrub_damage_total{file="catalog",outcome="rewritten"} 1.0'
    wait_until(lambda: sample in own_engine.get("/metrics")[1], "it is counted")
    client.create_partition("c", "later")
    own_engine.kill()
    client = connect(own_engine.start())
    assert client.describe_index("c") == (2, '{"nlist": 77}')
    assert client.partitions("c") == ["_default", "p", "later"]
    assert client.vectors("c", [1, 2]) == [[], [2]]


def test_a_damaged_value_is_not_made_to_look_sound_by_a_change_of_its_row(tmp_path: Path) -> None:
    """What was damaged before is found after, and put right from memory."""
    store = Store(tmp_path / "data")
    store.create_collection(Schema("c", dimension=4, index_file_size=1, metric=Metric.L2))
    with closing(sqlite3.connect(store.directory.catalog_path)) as catalog, catalog:
        catalog.execute("UPDATE collections SET dimension = 12")
    spec = IndexSpec(IndexType.IVF_FLAT, '{"nlist": 4}')
    store.set_index(store.collection("c"), lambda now: replace(now, spec=spec))
    assert store.mending.mend_catalog()
    assert not store.mending.mend_catalog()
    before = held(store)
    store.close()
    store = Store(tmp_path / "data")
    assert held(store) == before
    store.close()


def test_wherever_the_catalog_is_damaged_it_is_written_anew(tmp_path: Path) -> None:
    """A running engine has all of it in memory, whichever part the disk loses."""
    store = Store(tmp_path / "data")
    for name in ("c", "d"):
        store.create_collection(Schema(name, dimension=4, index_file_size=1, metric=Metric.L2))
        store.create_partition(name, "p")
    store.checkpoint()
    path = store.directory.catalog_path
    expected = held(store)
    for place in range(0, path.stat().st_size, 997):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\x55" * 300)
        store.mending.mend_catalog()
        store.create_partition("d", f"after {place}")
        store.drop_partition("d", f"after {place}")
        store.checkpoint()
        copy = shutil.copytree(tmp_path / "data", tmp_path / "copy")
        restarted = Store(copy)
        assert held(restarted) == expected
        restarted.close()
        shutil.rmtree(copy)
    store.close()


def test_the_documented_way_back_gives_a_catalog_of_the_format_before(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """Its tables are those that the older engine made, and an upgrade keeps everything again."""
    fill(connect(own_engine))
    assert own_engine.stop() == 0
    path = own_engine.data_dir / "catalog.sqlite"
    page = (Path(__file__).parents[2] / "docs" / "engine-damage.md").read_text()
    (statements,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as back,
        closing(sqlite3.connect(":memory:", isolation_level=None)) as older,
    ):
        back.executescript(statements)
        for statements in FORMATS[:5]:
            older.executescript(statements)
        assert back.execute("PRAGMA user_version").fetchone() == (5,)
        for table in ("collections", "partitions", "segments", "indexes", "deletions", "last_ids"):
            asked = "SELECT name, type FROM pragma_table_info(?)"
            made, expected = (db.execute(asked, (table,)).fetchall() for db in (back, older))
            assert made == expected
    client = connect(own_engine.start())
    assert client.describe_index("c") == (2, '{"nlist": 77}')
    assert client.vectors("d", [1, 2]) == [[], [2]]


def flips(content: bytes, count: int) -> Iterator[bytes]:
    places = [place for place, byte in enumerate(content) if byte]
    for place in random.Random(7).sample(places, count):  # noqa: S311 - the same ones each time
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        yield bytes(flipped)
