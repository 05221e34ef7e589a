"""Collections of bits: the five binary metrics, from the wire to the disk and back."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from machine.engine_process import EngineProcess
from quiver_engine.indexes import binary_indexes
from quiver_engine.model import Metric, Schema
from quiver_proto import milvus_pb2 as pb
from support.binary_oracle import MATCHES, METRICS, nested, plain, plain_answer, similar
from support.milvus1_client import Milvus1, found_distances, found_ids, records
from support.waiting import wait_until

Connect = Callable[[EngineProcess], Milvus1]

MISSING = np.finfo(np.float32).max
CHANCE = 0.03


def check(
    metric: Metric, result: pb.TopKQueryResult, rows: dict[int, np.ndarray], queries: np.ndarray
) -> None:
    """Hold a result against a plain computation over the rows of these ids."""
    ids, distances = found_ids(result), found_distances(result)
    held = np.array(list(rows.values()))
    best = plain_answer(metric, queries, held, ids.shape[1], missing=float(MISSING))
    np.testing.assert_allclose(distances, best, rtol=1e-6)
    for query, line, told in zip(queries, ids.tolist(), distances.tolist(), strict=True):
        real = [(id_, d) for id_, d in zip(line, told, strict=True) if id_ != -1]
        assert len({id_ for id_, _ in real}) == len(real)
        expected = [plain(metric, query, rows[id_]) for id_, _ in real]
        np.testing.assert_allclose([d for _, d in real], expected, rtol=1e-6)
        assert all(d == MISSING for d in told[len(real) :])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_search_finds_what_a_plain_computation_finds(client: Milvus1, metric: Metric) -> None:
    """Over several segments, partitions and deletions ids and distances are those of the metric."""
    name, width = f"exact_{metric.name}", 5
    rows = dict(enumerate(nested(240, width)))
    assert client.create(name, width * 8, metric_type=metric) == pb.Status(reason="OK")
    client.create_partition(name, "b")
    for start, tag in ((0, ""), (80, "b"), (160, "")):
        part = np.array([rows[id_] for id_ in range(start, start + 80)])
        assert client.insert(name, part, range(start, start + 80), tag).status.error_code == 0
        client.flush(name)
    queries = nested(20, width, seed=1)
    check(metric, client.search(name, queries, topk=9), rows, queries)
    gone = range(3, 240, 3)
    client.delete(name, gone)
    client.flush(name)
    for id_ in gone:
        del rows[id_]
    check(metric, client.search(name, queries, topk=9), rows, queries)
    check(metric, client.search(name, queries, topk=200), rows, queries)
    assert {segment["index_name"] for segment in client.segments(name)} == {"BIN_IDMAP"}
    client.compact(name)
    check(metric, client.search(name, queries[:1], topk=9), rows, queries[:1])


INDEXED = [metric for metric in METRICS if metric not in MATCHES]
ROWS = 12_000
WIDTH = 16


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the share of found distances that are no worse than the last of the exact ones."""
    return float((found <= exact[:, -1:] * (1 + 1e-6)).mean())


@pytest.mark.parametrize("metric", INDEXED, ids=lambda metric: metric.name)
def test_ivf_flat_finds_no_less_than_one_index_of_faiss(client: Milvus1, metric: Metric) -> None:
    """Recall over full, small and partly deleted segments is that of one FAISS index over all."""
    name, rows, queries = f"ivf_{metric.name}", similar(ROWS, WIDTH), similar(100, WIDTH, seed=1)
    client.create(name, WIDTH * 8, index_file_size=1, metric_type=metric)
    for start in range(0, ROWS, ROWS // 2):
        end = start + ROWS // 2
        client.insert(name, rows[start:end], range(start, end))
        client.flush(name)
    assert client.create_index(name, 2, '{"nlist": 64}') == pb.Status(reason="OK")
    client.insert(name, rows[:500], range(ROWS, ROWS + 500))
    gone = range(0, ROWS, 5)
    client.delete(name, gone)
    client.flush(name)
    names = {segment["index_name"] for segment in client.segments(name)}
    assert names == {"BIN_IDMAP", "BIN_IVFFLAT"}
    assert client.describe_index(name) == (2, '{"nlist": 64}')
    result = client.search(name, queries, 10, params='{"nprobe": 4}')
    assert not set(found_ids(result).ravel()) & set(gone)

    held = np.concatenate([np.delete(rows, gone, axis=0), rows[:500]])
    exact, _ = binary_indexes.brute_force(held, metric, queries, 10, None)
    whole = faiss.index_binary_factory(WIDTH * 8, "BIVF64")
    whole.nprobe = 4
    whole.train(held)
    whole.add(held)
    if metric is Metric.HAMMING:
        of_faiss = recall(whole.search(queries, 10)[0], exact)
    else:
        found, _ = binary_indexes.search(whole, metric, {"nprobe": 4}, queries, 10, None)
        of_faiss = recall(found, exact)
    assert recall(found_distances(result), exact) >= of_faiss - CHANCE
    everything = client.search(name, queries, 10, params='{"nprobe": 64}')
    np.testing.assert_allclose(found_distances(everything), exact, rtol=1e-6)


@pytest.mark.parametrize(
    ("metric", "index", "params", "code"),
    [
        (3, 1, None, pb.SUCCESS),
        (3, 2, '{"nlist": 8}', pb.SUCCESS),
        (3, 2, '{"nlist": 0}', pb.ILLEGAL_ARGUMENT),
        (4, 3, '{"nlist": 8}', pb.ILLEGAL_INDEX_TYPE),
        (5, 6, '{"nlist": 8, "m": 2}', pb.ILLEGAL_INDEX_TYPE),
        (5, 11, '{"M": 8, "efConstruction": 8}', pb.ILLEGAL_INDEX_TYPE),
        (6, 1, None, pb.SUCCESS),
        (6, 2, '{"nlist": 8}', pb.ILLEGAL_INDEX_TYPE),
        (7, 2, '{"nlist": 8}', pb.ILLEGAL_INDEX_TYPE),
    ],
)
def test_indexes_that_do_not_suit_bits_are_refused(
    client: Milvus1, metric: int, index: int, params: str | None, code: int
) -> None:
    """FLAT and IVF_FLAT are for bits, IVF_FLAT not where a row matches or does not; else code 8."""
    name = f"indexes_{metric}"
    client.create(name, 16, metric_type=metric)
    assert client.create_index(name, index, params).error_code == code


@pytest.mark.parametrize(
    ("metric", "dimension", "code"),
    [
        *((metric, 12, pb.ILLEGAL_DIMENSION) for metric in METRICS),
        (3, 32768, pb.SUCCESS),
        (7, 8, pb.SUCCESS),
        (8, 8, pb.ILLEGAL_METRIC_TYPE),
        (0, 8, pb.ILLEGAL_METRIC_TYPE),
    ],
)
def test_a_dimension_of_bits_is_a_multiple_of_eight(
    client: Milvus1, metric: int, dimension: int, code: int
) -> None:
    """Other dimensions answer ILLEGAL_DIMENSION for all binary metrics, HAMMING too."""
    assert client.create(f"c{metric}", dimension, metric_type=metric).error_code == code


BITS = np.zeros((1, 2), np.uint8)


@pytest.mark.parametrize(
    ("collection", "rows", "code", "word"),
    [
        ("of_bits", records(BITS), pb.SUCCESS, "OK"),
        ("of_bits", records([[0.0] * 16]), pb.ILLEGAL_DIMENSION, "2 bytes of binary_data"),
        ("of_bits", [*records(BITS), *records([[0.0]])], pb.ILLEGAL_DIMENSION, "binary_data"),
        ("of_bits", records(BITS[:, :1]), pb.ILLEGAL_DIMENSION, "16 bits"),
        ("of_bits", [*records(BITS), *records(BITS[:, :1])], pb.ILLEGAL_ROWRECORD, "hold 3"),
        ("of_bits", [pb.RowRecord()], pb.ILLEGAL_ROWRECORD, "no rows"),
        ("of_bits", [], pb.ILLEGAL_ROWRECORD, "no rows"),
        ("of_floats", records(BITS), pb.ILLEGAL_DIMENSION, "16 floats of float_data"),
        ("of_floats", [*records([[0.0] * 16]), *records(BITS)], pb.ILLEGAL_DIMENSION, "float_data"),
    ],
)
def test_rows_of_the_wrong_kind_or_length_are_refused(
    client: Milvus1, collection: str, rows: list[pb.RowRecord], code: int, word: str
) -> None:
    """Insert and Search answer 7 for the wrong kind or length, 11 for none, and what to give."""
    client.create("of_bits", 16, metric_type=3)
    client.create("of_floats", 16, metric_type=1)
    inserted = client.stub.Insert(pb.InsertParam(collection_name=collection, row_record_array=rows))
    searched = client.stub.Search(
        pb.SearchParam(collection_name=collection, query_record_array=rows, topk=1)
    )
    for status in (inserted.status, searched.status):
        assert status.error_code == code
        assert word in status.reason


def test_rows_come_back_by_their_ids(client: Milvus1) -> None:
    """GetVectorsByID fills binary_data, SearchByID and SearchInFiles find; unknown ids do not."""
    rows = similar(30, 4)
    client.create("by_id", 32, metric_type=3)
    client.insert("by_id", rows, range(30))
    client.flush("by_id")
    found = client.rows("by_id", [7, 99, 0])
    assert [row.binary_data for row in found] == [rows[7].tobytes(), b"", rows[0].tobytes()]
    assert not any(row.float_data for row in found)
    asked = pb.SearchByIDParam(collection_name="by_id", id_array=[3, 99], topk=2)
    result = client.stub.SearchByID(asked)
    assert (found_ids(result)[:, 0] == [3, -1]).all()
    assert found_distances(result)[0, 0] == 0
    [segment] = client.segments("by_id")
    search = pb.SearchParam(collection_name="by_id", query_record_array=records(rows[5:6]), topk=1)
    in_files = pb.SearchInFilesParam(file_id_array=[segment["name"]], search_param=search)
    assert found_ids(client.stub.SearchInFiles(in_files))[0, 0] == 5


def test_index_file_size_counts_the_bytes_of_bits(client: Milvus1) -> None:
    """A segment is full at index_file_size of raw bits, an eighth of a byte for each dimension."""
    assert Schema("s", 4096, 1, Metric.HAMMING).sealed_rows == 2048
    client.create("sized", 4096, index_file_size=1, metric_type=3)
    client.insert("sized", similar(5000, 512), range(5000))
    client.flush("sized")
    assert [s["row_count"] for s in client.segments("sized")] == [2048, 2048, 904]
    assert client.stub.PreloadCollection(
        pb.PreloadCollectionParam(collection_name="sized")
    ) == pb.Status(reason="OK")


def test_bits_survive_a_kill(own_engine: EngineProcess, connect: Connect) -> None:
    """After `kill -9` flushed and unflushed rows, deletions and the index are all there."""
    client, rows = connect(own_engine), similar(6000, 8)
    client.create("kept", 64, metric_type=4)
    client.insert("kept", rows[:5000], range(5000))
    client.create_index("kept", 2, '{"nlist": 16}')
    client.insert("kept", rows[5000:], range(5000, 6000))
    client.delete("kept", [1, 5001])
    own_engine.kill()
    client = connect(own_engine.start())
    client.flush()
    assert client.count("kept") == 5998
    assert "BIN_IVFFLAT" in {segment["index_name"] for segment in client.segments("kept")}
    result = client.search("kept", rows, 1, params='{"nprobe": 16}')
    held = np.delete(rows, [1, 5001], axis=0)
    best, _ = binary_indexes.brute_force(held, Metric.JACCARD, rows, 1, None)
    np.testing.assert_allclose(found_distances(result), best)
    assert client.rows("kept", [5999])[0].binary_data == rows[5999].tobytes()
    assert client.insert("kept", [[0.0] * 64], [1]).status.error_code == pb.ILLEGAL_DIMENSION


def test_a_damaged_index_of_bits_is_built_anew(
    own_engine: EngineProcess, connect: Connect, tmp_path: Path
) -> None:
    """Searches go on without a damaged index, and it is there again a little later."""
    client, rows = connect(own_engine), similar(5000, 8)
    client.create("damaged", 64, metric_type=3)
    client.insert("damaged", rows, range(5000))
    client.create_index("damaged", 2, '{"nlist": 4}')
    assert own_engine.stop() == 0
    [index] = (tmp_path / "data" / "segments").glob("*.idx")
    content = bytearray(index.read_bytes())
    content[-100] ^= 1
    index.write_bytes(content)
    client = connect(own_engine.start())
    result = client.search("damaged", rows[:50], 1, params='{"nprobe": 1}')
    assert not found_distances(result).any()

    def is_built_anew() -> bool:
        return not index.exists() and client.segments("damaged")[0]["index_name"] == "BIN_IVFFLAT"

    wait_until(is_built_anew, "the index is built anew")


def test_little_memory_suffices_for_one_segment_of_bits_at_a_time(
    own_engine: EngineProcess, connect: Connect
) -> None:
    """With `--memory` of less than all segments every row is found all the same."""
    own_engine.stop()
    client, rows = connect(own_engine.start("--memory", "2Mi")), similar(9000, 512)
    client.create("tight", 4096, index_file_size=1, metric_type=5)
    client.insert("tight", rows, range(9000))
    client.flush("tight")
    assert len(client.segments("tight")) == 5
    result = client.search("tight", rows[::1000], 1)
    assert (found_distances(result)[:, 0] == 0).all()
