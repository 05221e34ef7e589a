"""Insert, Flush, Count and Search over the wire."""

import time

import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_distances, found_ids, records
from support.waiting import wait_until

METRICS = {1: "L2", 2: "IP"}


def numpy_answer(
    vectors: np.ndarray, queries: np.ndarray, topk: int, metric: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers and distances of the topk best rows, both (queries, topk)."""
    if metric == 1:
        exact = ((queries[:, None].astype(float) - vectors[None]) ** 2).sum(axis=2)
    else:
        exact = queries.astype(float) @ vectors.T.astype(float)
    best = np.argsort(exact if metric == 1 else -exact, axis=1)[:, :topk]
    return best, np.take_along_axis(exact, best, axis=1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries", [1, 5, 40])
def test_search_finds_what_numpy_finds(client: Milvus1, metric: int, queries: int) -> None:
    """Ids and distances equal a plain computation, over several segments and partitions."""
    random = np.random.default_rng(metric)
    name = f"exact_{metric}_{queries}"
    vectors = random.normal(size=(900, 24)).astype(np.float32)
    client.create(name, dimension=24, metric_type=metric)
    client.create_partition(name, "b")
    for start in range(0, 900, 300):
        tag = "b" if start == 600 else ""
        ids = range(start, start + 300)
        assert client.insert(name, vectors[start : start + 300], ids, tag).status.error_code == 0
        client.flush(name)
    asked = random.normal(size=(queries, 24)).astype(np.float32)
    result = client.search(name, asked, topk=7)
    rows, distances = numpy_answer(vectors, asked, 7, metric)
    np.testing.assert_array_equal(found_ids(result), rows)
    np.testing.assert_allclose(found_distances(result), distances, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("metric", "worst"), [(1, 3.4028235e38), (2, -3.4028235e38)])
def test_results_are_padded_where_rows_are_fewer_than_topk(
    client: Milvus1, metric: int, worst: float
) -> None:
    """With three rows and topk 5 the last two ids are -1, at the worst distance."""
    name = f"padded{metric}"
    client.create(name, dimension=2, metric_type=metric)
    client.insert(name, [[3, 0], [1, 0], [2, 0]], [30, 10, 20])
    client.flush(name)
    result = client.search(name, [[1, 0], [1, 0]], topk=5)
    nearest = [10, 20, 30] if metric == 1 else [30, 20, 10]
    np.testing.assert_array_equal(found_ids(result), [[*nearest, -1, -1]] * 2)
    np.testing.assert_allclose(found_distances(result)[:, 3:], worst)


def test_search_of_an_empty_collection_is_ok_and_empty(client: Milvus1) -> None:
    """Where there is nothing to search the answer is OK with row_num 0 and no ids."""
    client.create("empty", dimension=2)
    result = client.search("empty", [[0, 0]], topk=3)
    assert (result.status.error_code, result.row_num, len(result.ids)) == (pb.SUCCESS, 0, 0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"topk": 0}, pb.ILLEGAL_TOPK),
        ({"topk": 1048577}, pb.ILLEGAL_TOPK),
        ({"topk": 1048576}, pb.SUCCESS),
        ({"name": "no-name", "topk": 0}, pb.ILLEGAL_COLLECTION_NAME),
        ({"topk": 0, "name": "missing", "tags": [" "]}, pb.ILLEGAL_TOPK),
        ({"name": "missing", "queries": [[0]] * 171, "topk": 1048576}, pb.ILLEGAL_TOPK),
        ({"name": "missing", "tags": [" "]}, pb.UNEXPECTED_ERROR),
        ({"name": "missing", "tags": ["t" * 256]}, pb.UNEXPECTED_ERROR),
        ({"name": "missing", "params": "{"}, pb.COLLECTION_NOT_EXISTS),
        ({"params": "{"}, pb.ILLEGAL_ARGUMENT),
        ({"params": "[]"}, pb.ILLEGAL_ARGUMENT),
        ({"params": "{", "queries": []}, pb.ILLEGAL_ARGUMENT),
        ({"params": '{"nprobe": 16}'}, pb.SUCCESS),
        ({"queries": []}, pb.ILLEGAL_ROWRECORD),
        ({"queries": [[1, 2, 3]]}, pb.ILLEGAL_DIMENSION),
        ({"queries": [[1], [1, 2]]}, pb.ILLEGAL_ROWRECORD),
        ({"queries": [[1], [1, 2, 3]]}, pb.ILLEGAL_DIMENSION),
        ({"queries": [[]]}, pb.ILLEGAL_ROWRECORD),
        ({"queries": [[1]], "tags": ["none"]}, pb.ILLEGAL_DIMENSION),
        ({"tags": ["none"]}, pb.UNEXPECTED_ERROR),
    ],
)
def test_search_checks_name_topk_size_tags_existence_parameters_rows_in_that_order(
    client: Milvus1, asked: dict, code: int
) -> None:
    """Search answers the code of the first check that fails."""
    client.create("searched", dimension=2)
    whole = {"name": "searched", "queries": [[0, 0]]} | asked
    assert client.search(**whole).status.error_code == code


@pytest.fixture(scope="module")
def tagged(client: Milvus1) -> str:
    client.create("tagged_search", dimension=1)
    for number, tag in enumerate(["", "2020", "2021", "x2021", "a(b"]):
        if tag:
            client.create_partition("tagged_search", tag)
        client.insert("tagged_search", [[number]], [number], tag)
    client.flush()
    return "tagged_search"


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([], {0, 1, 2, 3, 4}),
        (["2021"], {2}),
        (["202."], {1, 2}),
        (["20"], None),
        (["_default", ".*2021"], {0, 2, 3}),
        ([".*"], {1, 2, 3, 4}),
        ([" 2021\t"], {2}),
        (["20(20|21)", "none"], {1, 2}),
        (["a[(]b"], {4}),
        (["a(b"], None),
        (["(?=x)x2021"], None),
        (["(.*)*" * 40 + "z"], None),
        (["." * 256], None),
    ],
)
def test_tags_of_a_search_are_expressions_for_whole_tags(
    client: Milvus1, tagged: str, tags: list[str], found: set[int] | None
) -> None:
    """Only partitions whose whole tag matches are searched; no match or no expression: code 1.

    Blanks around an expression do not count, and `_default` is searched by that name alone.
    """
    result = client.search(tagged, [[0]], topk=9, tags=tags)
    if found is None:
        assert result.status.error_code == pb.UNEXPECTED_ERROR
        assert "partition" in result.status.reason
    else:
        assert set(found_ids(result).ravel()) - {-1} == found


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": "no-name", "vectors": []}, pb.ILLEGAL_COLLECTION_NAME),
        ({"vectors": []}, pb.ILLEGAL_ROWRECORD),
        ({"vectors": [[]]}, pb.ILLEGAL_ROWRECORD),
        ({"vectors": [], "ids": [1]}, pb.ILLEGAL_ROWRECORD),
        ({"vectors": [[0, 0]], "ids": [1, 2]}, pb.ILLEGAL_VECTOR_ID),
        ({"name": "missing", "vectors": []}, pb.ILLEGAL_ROWRECORD),
        ({"name": "missing", "vectors": [[0, 0]], "ids": [1, 2]}, pb.ILLEGAL_VECTOR_ID),
        ({"vectors": [[0]], "ids": None}, pb.ILLEGAL_VECTOR_ID),
        ({"vectors": [[0, 0, 0]]}, pb.ILLEGAL_DIMENSION),
        ({"vectors": [[0], [0, 0, 0]], "ids": [1, 2]}, pb.ILLEGAL_DIMENSION),
        ({"vectors": [[0], [0, 0]], "ids": [1, 2]}, pb.ILLEGAL_ROWRECORD),
        ({"vectors": [[0]], "ids": None, "tag": "none"}, pb.UNEXPECTED_ERROR),
        ({"vectors": [[0, 0]], "tag": " "}, pb.UNEXPECTED_ERROR),
        ({"vectors": [[0, 0]]}, pb.SUCCESS),
    ],
)
def test_insert_checks_name_rows_ids_existence_tag_kind_width_in_that_order(
    client: Milvus1, asked: dict, code: int
) -> None:
    """Insert answers the code of the first check that fails; the collection has user ids."""
    client.create("inserted", dimension=2)
    client.insert("inserted", [[0, 0]], [1])
    reply = client.insert(**{"name": "inserted", "ids": [1]} | asked)
    assert reply.status.error_code == code
    assert len(reply.vector_id_array) == (1 if code == pb.SUCCESS else 0)


def test_binary_rows_are_refused_by_a_collection_of_floats(client: Milvus1) -> None:
    """Rows of binary_data answer ILLEGAL_DIMENSION and say what to fill."""
    client.create("floats", dimension=8)
    request = pb.InsertParam(
        collection_name="floats", row_record_array=[pb.RowRecord(binary_data=b"\0")]
    )
    status = client.stub.Insert(request).status
    assert status.error_code == pb.ILLEGAL_DIMENSION
    assert "float_data" in status.reason


def test_more_than_256_mib_in_one_insert_is_refused(client: Milvus1) -> None:
    """A row more than 256 MiB of vectors answers ILLEGAL_ROWRECORD and says the limit."""
    client.create("big", dimension=32768)
    row = pb.InsertParam(row_record_array=records([np.zeros(32768)])).SerializeToString()
    head = pb.InsertParam(collection_name="big").SerializeToString()
    refused = pb.VectorIds.FromString(client.raw("Insert", head + row * 2049))
    assert refused.status.error_code == pb.ILLEGAL_ROWRECORD
    assert "256 MiB" in refused.status.reason


def test_a_collection_keeps_the_kind_of_its_first_ids(client: Milvus1) -> None:
    """After automatic ids an insert with ids is refused; a refused insert settles nothing."""
    client.create("kind", dimension=1)
    assert client.insert("kind", [[1, 2]], [5]).status.error_code == pb.ILLEGAL_DIMENSION
    first = client.insert("kind", [[1]] * 3)
    assert first.status.error_code == pb.SUCCESS
    refused = client.insert("kind", [[1]], [5])
    assert refused.status.error_code == pb.ILLEGAL_VECTOR_ID
    assert "automatic" in refused.status.reason


def test_automatic_ids_are_microseconds_and_unique(client: Milvus1) -> None:
    """Ids are the time in microseconds x 1000 + n, and no two rows share one."""
    client.create("auto", dimension=1)
    before = time.time_ns()
    ids = [i for _ in range(20) for i in client.insert("auto", [[1]] * 500).vector_id_array]
    assert len(set(ids)) == 10_000
    assert before - 1000 <= min(ids)
    assert max(ids) <= time.time_ns() + 1_000_000
    assert ids == sorted(ids)


def test_user_ids_need_not_be_unique(client: Milvus1) -> None:
    """Rows of equal ids are all kept and all found."""
    client.create("same", dimension=1)
    client.insert("same", [[1], [2]], [7, 7])
    client.flush()
    assert client.count("same") == 2
    np.testing.assert_array_equal(found_ids(client.search("same", [[1]], topk=2)), [[7, 7]])


def test_rows_show_by_themselves_within_seconds(client: Milvus1) -> None:
    """Without a Flush rows become visible by the flush of each second."""
    client.create("soon", dimension=1)
    client.insert("soon", [[1]])
    wait_until(lambda: client.count("soon") == 1, "the row is seen", 20)


def test_flush_without_names_flushes_all(client: Milvus1) -> None:
    """An empty list of names stands for every collection."""
    for name in ("flush_a", "flush_b"):
        client.create(name, dimension=1)
        client.insert(name, [[1]])
    assert client.flush() == pb.Status(reason="OK")
    assert (client.count("flush_a"), client.count("flush_b")) == (1, 1)


def test_values_that_are_no_numbers_are_kept_and_never_found(client: Milvus1) -> None:
    """NaN and infinity are accepted as Milvus does; a row of NaN is nobody's neighbour."""
    client.create("odd", dimension=1)
    client.insert("odd", [[float("nan")], [float("inf")], [1.0]], [1, 2, 3])
    client.flush()
    assert client.count("odd") == 3
    assert found_ids(client.search("odd", [[0]], topk=3))[0, 0] == 3
    assert 1 not in found_ids(client.search("odd", [[0]], topk=3))
