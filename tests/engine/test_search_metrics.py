"""A search by another metric than the collection's: `metric_type` among its parameters."""

import json

import numpy as np
import pytest

from quiver_engine.model import Metric
from quiver_proto import milvus_pb2 as pb
from support.binary_oracle import plain_answer
from support.milvus1_client import Milvus1, extra_params, found_distances, found_ids, records

L2, IP, HAMMING, JACCARD, SUBSTRUCTURE = 1, 2, 3, 4, 6
ROWS = np.random.default_rng(4).normal(size=(300, 8)).astype(np.float32)
BITS = np.random.default_rng(5).integers(256, size=(300, 4), dtype=np.uint8)


def by(metric: object, **more: int) -> str:
    return json.dumps({"metric_type": metric, **more})


def insert_in_parts(client: Milvus1, name: str, rows: np.ndarray) -> None:
    """Insert rows into three segments; the rows' numbers are their ids."""
    for start in range(0, len(rows), 100):
        client.insert(name, rows[start : start + 100], range(start, start + 100))
        client.flush(name)


@pytest.mark.parametrize(("own", "asked"), [(L2, IP), (IP, L2)])
def test_a_search_is_by_the_metric_that_it_asks_for(client: Milvus1, own: int, asked: int) -> None:
    """Rows, their order over all segments and their distances are those of this metric."""
    name = f"floats_{own}"
    client.create(name, dimension=8, metric_type=own)
    insert_in_parts(client, name, ROWS)
    queries = ROWS[:7] + 1
    result = client.search(name, queries, topk=5, params=by(asked))
    distances = ((queries[:, None] - ROWS) ** 2).sum(axis=2) if asked == L2 else queries @ ROWS.T
    best = np.argsort(distances if asked == L2 else -distances, axis=1)[:, :5]
    np.testing.assert_array_equal(found_ids(result), best)
    wanted = np.take_along_axis(distances, best, axis=1)
    np.testing.assert_allclose(found_distances(result), wanted, rtol=1e-4)
    padded = client.search(name, queries, topk=400, params=by(asked))
    worst = 3.4028235e38 if asked == L2 else -3.4028235e38
    np.testing.assert_allclose(found_distances(padded)[:, -1], worst)


def test_a_search_by_id_is_by_the_metric_that_it_asks_for(client: Milvus1) -> None:
    """By inner product a longer row may be nearer to a row than the row itself."""
    client.create("by_id", dimension=1)
    client.insert("by_id", [[1], [9]], [1, 9])
    client.flush("by_id")
    request = pb.SearchByIDParam(
        collection_name="by_id", id_array=[1], topk=2, extra_params=extra_params(by(IP))
    )
    result = client.stub.SearchByID(request)
    assert (found_ids(result).tolist(), found_distances(result).tolist()) == ([[9, 1]], [[9, 1]])


@pytest.mark.parametrize("asked", [HAMMING, SUBSTRUCTURE])
def test_a_search_of_bits_is_by_the_metric_that_it_asks_for(client: Milvus1, asked: int) -> None:
    """A collection for JACCARD is searched by HAMMING, or for supersets of the query."""
    name = f"bits_{asked}"
    client.create(name, dimension=32, metric_type=JACCARD)
    insert_in_parts(client, name, BITS)
    queries = BITS[:6] & BITS[6:12]
    result = client.search(name, queries, topk=4, params=by(asked))
    exact = plain_answer(Metric(asked), queries, BITS, 4, missing=np.finfo(np.float32).max)
    np.testing.assert_allclose(found_distances(result), exact)


def test_an_index_is_not_used_by_a_search_for_another_metric(client: Milvus1) -> None:
    """It is for the collection's own metric: the search reads the rows, and its answer is exact."""
    rows = np.random.default_rng(6).normal(size=(5000, 8)).astype(np.float32)
    client.create("indexed", dimension=8)
    client.insert("indexed", rows, range(5000))
    assert client.create_index("indexed", 2, '{"nlist": 64}').error_code == pb.SUCCESS
    client.insert("indexed", rows[:100] * 3, range(5000, 5100))
    client.flush("indexed")
    every = np.concatenate([rows, rows[:100] * 3])
    result = client.search("indexed", rows[:9], topk=5, params=by(IP, nprobe=1))
    best = np.argsort(-(rows[:9] @ every.T), axis=1)[:, :5]
    np.testing.assert_array_equal(found_ids(result), best)
    own = client.search("indexed", rows[:9], topk=1, params=by(L2, nprobe=64))
    np.testing.assert_array_equal(found_ids(own).ravel(), range(9))
    missing = client.search("indexed", rows[:9], params=by(IP))
    assert missing.status.error_code == pb.ILLEGAL_ARGUMENT


def test_of_parameters_that_are_given_twice_the_last_count(client: Milvus1) -> None:
    """As in Milvus, the last of several values of `params` is read."""
    client.create("twice", dimension=1)
    client.insert("twice", [[1], [9]], [1, 9])
    client.flush("twice")
    request = pb.SearchParam(
        collection_name="twice",
        query_record_array=records([[1]]),
        topk=1,
        extra_params=[*extra_params("{"), *extra_params(by(IP))],
    )
    assert client.stub.Search(request).ids == [9]


@pytest.mark.parametrize("kind", ["floats", "bits"])
@pytest.mark.parametrize("asked", [0, 8, -1, 2**40, "IP", None, True, 1.5, "other kind"])
def test_a_metric_that_rows_of_this_kind_do_not_have_is_refused(
    client: Milvus1, kind: str, asked: object
) -> None:
    """Code 5, with the metrics that there are for such rows."""
    own, other, says = {"floats": (L2, HAMMING, "1 (L2)"), "bits": (JACCARD, L2, "3 (HAMMING)")}[
        kind
    ]
    name = f"refused_{kind}"
    client.create(name, dimension=32, metric_type=own)
    query = np.zeros((1, 4), np.uint8) if kind == "bits" else np.zeros((1, 32), np.float32)
    status = client.search(name, query, params=by(other if asked == "other kind" else asked)).status
    assert status.error_code == pb.ILLEGAL_ARGUMENT
    assert "metric_type" in status.reason
    assert says in status.reason
