"""DeleteByID and Compact: what is hidden, when, and what becomes of the files."""

import json
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_distances, found_ids, records
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]
KINDS = {
    "FLAT": (1, {}, {}),
    "IVF_FLAT": (2, {"nlist": 16}, {"nprobe": 16}),
    "IVF_SQ8": (3, {"nlist": 16}, {"nprobe": 16}),
    "HNSW": (11, {"M": 16, "efConstruction": 100}, {"ef": 100}),
}


def vectors(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


@pytest.fixture
def flushing_client(client: Milvus1) -> Iterator[Milvus1]:
    """A client of an engine that flushes only when it is asked to."""
    client.command("set_config storage.auto_flush_interval 0")
    yield client
    client.command("set_config storage.auto_flush_interval 1")


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_deleted_rows_are_found_no_more(client: Milvus1, kind: str, metric: int) -> None:
    """After a flush no search finds a deleted row, and each query gets topk rows all the same."""
    number, build, search = KINDS[kind]
    name, rows = f"less_{kind}_{metric}", vectors(5000, 8)
    client.create(name, dimension=8, metric_type=metric)
    client.insert(name, rows, range(5000))
    assert client.create_index(name, number, json.dumps(build)).error_code == pb.SUCCESS
    assert client.delete(name, range(0, 5000, 2)) == pb.Status(reason="OK")
    client.flush(name)
    assert client.count(name) == 2500
    found = found_ids(client.search(name, rows[:100], topk=10, params=json.dumps(search)))
    assert (found % 2 == 1).all()
    distance = ((rows[:100, None] - rows[None, 1::2]) ** 2).sum(axis=2)
    score = distance if metric == 1 else -(rows[:100] @ rows[1::2].T)
    assert (found[:, 0] == np.argmin(score, axis=1) * 2 + 1).mean() > 0.9


def test_a_delete_hits_earlier_rows_only(flushing_client: Milvus1) -> None:
    """Rows inserted before are deleted, flushed or not; one inserted later with that id stays."""
    client = flushing_client
    client.create("order", dimension=1)
    client.insert("order", [[1], [2]], [1, 2])
    client.flush("order")
    client.insert("order", [[10], [30]], [1, 3])
    client.delete("order", [1, 3, 99])
    client.insert("order", [[100]], [1])
    assert client.count("order") == 2
    client.flush("order")
    assert client.count("order") == 2
    assert client.vectors("order", [1, 2, 3]) == [[100], [2], []]
    np.testing.assert_array_equal(found_ids(client.search("order", [[1]], topk=3)), [[2, 1, -1]])


def test_a_delete_of_a_partition_leaves_the_others_alone(client: Milvus1) -> None:
    """With a tag only that partition's rows are deleted; without one those of all."""
    client.create("parts", dimension=1)
    client.create_partition("parts", "p")
    for tag in ("", "p"):
        client.insert("parts", [[1], [2]], [1, 2], tag)
    client.delete("parts", [1], "p")
    client.flush()
    assert (client.vectors("parts", [1]), client.vectors("parts", [1], "p")) == ([[1]], [[]])
    client.delete("parts", [2])
    client.flush()
    assert client.count("parts") == 1
    for ids in ([1], []):
        assert client.delete("parts", ids, "none").error_code == pb.UNEXPECTED_ERROR
    assert client.delete("missing", [1]).error_code == pb.COLLECTION_NOT_EXISTS


@pytest.mark.parametrize(("metric", "worst"), [(1, 3.4028235e38), (2, -3.4028235e38)])
def test_where_every_row_is_deleted_each_query_gets_an_answer_without_rows(
    client: Milvus1, metric: int, worst: float
) -> None:
    """Searches answer a row of -1 for each query or id, and GetVectorsByID an empty one."""
    name = f"gone{metric}"
    client.create(name, dimension=1, metric_type=metric)
    client.create_partition(name, "never_used")
    client.insert(name, [[1], [2]], [1, 2])
    client.flush(name)
    [segment] = client.segments(name)
    client.delete(name, [1, 2])
    client.flush(name)
    query = pb.SearchParam(collection_name=name, query_record_array=records([[1], [5]]), topk=3)
    in_files = pb.SearchInFilesParam(file_id_array=[segment["name"]], search_param=query)
    by_id = pb.SearchByIDParam(collection_name=name, id_array=[1, 9], topk=3)
    for result in (
        client.stub.Search(query),
        client.stub.SearchInFiles(in_files),
        client.stub.SearchByID(by_id),
    ):
        np.testing.assert_array_equal(found_ids(result), [[-1] * 3] * 2)
        np.testing.assert_allclose(found_distances(result), worst)
    assert client.vectors(name, [1]) == [[]]
    assert client.search(name, [[1]], tags=["never_used"]).row_num == 0
    client.compact(name)
    assert client.search(name, [[1]]).row_num == 0


def test_compact_rewrites_segments_with_a_tenth_deleted(client: Milvus1) -> None:
    """Such a segment loses its deleted rows and keeps having an index; others stay as they are."""
    rows = vectors(12_000, 8)
    client.create("compacted", dimension=8)
    client.create_partition("compacted", "p")
    client.insert("compacted", rows[:6000], range(6000))
    client.insert("compacted", rows[6000:], range(6000, 12_000), "p")
    client.create_index("compacted", 2, '{"nlist": 16}')
    first, second = client.segments("compacted")
    client.delete("compacted", [*range(600), *range(6000, 6599)])
    client.flush("compacted")
    assert client.compact("compacted") == pb.Status(reason="OK")
    after = {s["name"]: s for s in client.segments("compacted")}
    assert first["name"] not in after
    assert after[second["name"]]["row_count"] == 5401
    wait_until(lambda: {*client.index_names("compacted")} == {"IVFFLAT"}, "both are indexed again")
    assert sorted(s["row_count"] for s in client.segments("compacted")) == [5400, 5401]
    found = found_ids(client.search("compacted", rows[::100], params='{"nprobe": 16}')).ravel()
    kept = [i for i in range(0, 12_000, 100) if not (i < 600 or 6000 <= i < 6599)]
    assert set(kept) <= set(found.tolist())
    assert not {0, 500, 6000, 6500} & set(found.tolist())
    assert client.compact("missing").error_code == pb.COLLECTION_NOT_EXISTS


def test_deletes_survive_a_restart(own_engine: EngineProcess, connect: Connect) -> None:
    """A flushed delete stands after `kill -9`."""
    client = connect(own_engine)
    client.create("c", dimension=1)
    client.insert("c", [[i] for i in range(9)], range(9))
    client.flush("c")
    client.delete("c", [0, 8])
    client.flush("c")
    own_engine.kill()
    client = connect(own_engine.start())
    assert client.count("c") == 7
    assert set(found_ids(client.search("c", [[0]], topk=9))[0]) == {*range(1, 8), -1}


def test_deletes_are_kept_through_merges_at_the_same_time(client: Milvus1) -> None:
    """Rows deleted while their segments are merged stay deleted, and no other row goes."""
    rows, batch = vectors(16_000, 32), 400
    client.create("both", dimension=32, index_file_size=1)
    stop = threading.Event()
    deleted: set[int] = set()

    def delete() -> None:
        random = np.random.default_rng(5)
        while not stop.is_set():
            known = client.count("both")
            ids = random.integers(max(1, known), size=50).tolist()
            assert client.delete("both", ids).error_code == pb.SUCCESS
            deleted.update(ids)
            client.flush("both")

    for start in range(0, 800, batch):
        client.insert("both", rows[start : start + batch], range(start, start + batch))
    client.flush("both")
    worker = threading.Thread(target=delete)
    worker.start()
    for start in range(800, len(rows), batch):
        client.insert("both", rows[start : start + batch], range(start, start + batch))
        client.flush("both")
    stop.set()
    worker.join()
    found = found_ids(client.search("both", rows[:1], topk=len(rows)))[0]
    living = set(found[found >= 0].tolist())
    assert not living & deleted
    assert living | deleted == set(range(len(rows)))
    assert client.count("both") == len(living)
