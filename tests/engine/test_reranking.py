"""IVF_PQ: the index proposes rows, their own distances order them."""

import json

import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_distances, found_ids

ROWS = 6000
DIMENSION = 16
PARAMS = json.dumps({"nlist": 16, "m": 2, "nbits": 6})
EVERY_LIST = json.dumps({"nprobe": 16})
ONE_LIST = json.dumps({"nprobe": 1})


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(ROWS, DIMENSION)).astype(np.float32)


@pytest.fixture(scope="module")
def names(client: Milvus1, rows: np.ndarray) -> dict[int, str]:
    """A collection for each metric, L2 and IP, in one segment with very short codes."""
    names = {1: "codes_l2", 2: "codes_ip"}
    for metric, name in names.items():
        client.create(name, DIMENSION, metric_type=metric)
        client.insert(name, rows, range(ROWS))
        assert client.create_index(name, 6, PARAMS).error_code == pb.SUCCESS
    return names


def distances_to(queries: np.ndarray, rows: np.ndarray, metric: int) -> np.ndarray:
    pairs = queries[:, None, :].astype(float), rows
    return ((pairs[0] - pairs[1]) ** 2).sum(2) if metric == 1 else (pairs[0] * pairs[1]).sum(2)


@pytest.mark.parametrize("metric", [1, 2])
def test_distances_are_those_of_the_rows(
    client: Milvus1, rows: np.ndarray, names: dict[int, str], metric: int
) -> None:
    """What a search of an IVF_PQ index returns is ordered by exact distances, and has them."""
    queries = rows[:50] + 0.01
    result = client.search(names[metric], queries, 10, params=EVERY_LIST)
    ids, distances = found_ids(result), found_distances(result)
    np.testing.assert_allclose(
        distances, distances_to(queries, rows[ids], metric), rtol=1e-4, atol=1e-4
    )
    assert (np.diff(distances if metric == 1 else -distances, axis=1) >= 0).all()


@pytest.mark.parametrize("metric", [1, 2])
def test_as_many_rows_as_are_wanted(
    client: Milvus1, names: dict[int, str], rows: np.ndarray, metric: int
) -> None:
    """A topk as large as the segment finds each row once; one list's rows are padded with -1."""
    everything = found_ids(client.search(names[metric], rows[:2], ROWS, params=EVERY_LIST))
    assert all(np.array_equal(np.sort(found), np.arange(ROWS)) for found in everything)
    (found,) = found_ids(client.search(names[metric], rows[:1], ROWS, params=ONE_LIST))
    count = int((found >= 0).sum())
    assert 1 <= count < ROWS
    assert (found[count:] == -1).all()


def test_deleted_rows_and_rows_that_are_no_numbers_are_not_found(client: Milvus1) -> None:
    """Neither a deleted row nor one of NaN takes the place of a row that is there."""
    rows = np.random.default_rng(6).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    rows[100:200] = np.nan
    client.create("codes_deleted", DIMENSION)
    client.insert("codes_deleted", rows, range(ROWS))
    assert client.create_index("codes_deleted", 6, PARAMS).error_code == pb.SUCCESS
    client.delete("codes_deleted", range(100))
    client.flush("codes_deleted")
    queries = rows[[0, 50, 99, 300]]
    found = found_ids(client.search("codes_deleted", queries, ROWS, params=EVERY_LIST))
    expected = np.concatenate([np.full(200, -1), np.arange(200, ROWS)])
    assert all(np.array_equal(np.sort(ids), expected) for ids in found)
    assert found[3, 0] == 300
