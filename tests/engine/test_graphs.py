"""HNSW, RNSG and ANNOY where graphs have it hard: deletions, equal rows, a large topk."""

import json

import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.milvus1_client import Milvus1, found_ids

ROWS = 5000
DIMENSION = 8
KINDS = {
    "HNSW": (11, {"M": 8, "efConstruction": 40}, {"ef": 20}),
    "RNSG": (
        4,
        {"search_length": 40, "out_degree": 5, "candidate_pool_size": 50, "knng": 20},
        {"search_length": 20},
    ),
    "ANNOY": (12, {"n_trees": 4}, {"search_k": 20}),
}
kinds = pytest.mark.parametrize("kind", KINDS)
metrics = pytest.mark.parametrize("metric", [1, 2])


def indexed(client: Milvus1, kind: str, metric: int, rows: np.ndarray, name: str) -> str:
    number, build, _ = KINDS[kind]
    name = f"{name}_{kind}_{metric}"
    client.create(name, DIMENSION, metric_type=metric)
    client.insert(name, rows, range(len(rows)))
    assert client.create_index(name, number, json.dumps(build)).error_code == pb.SUCCESS
    return name


@metrics
@kinds
def test_living_rows_are_found_though_nearly_all_are_deleted(
    client: Milvus1, kind: str, metric: int
) -> None:
    """With 15 rows left of 5,000 a search for ten finds ten of them, and none that is deleted."""
    rows = np.random.default_rng(1).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    name = indexed(client, kind, metric, rows, "deleted")
    living = np.arange(0, ROWS, ROWS // 14)
    client.delete(name, np.setdiff1d(np.arange(ROWS), living).tolist())
    client.flush(name)
    queries = rows[::100]
    found = found_ids(client.search(name, queries, 10, params=json.dumps(KINDS[kind][2])))
    assert np.isin(found, living).all()
    assert all(len(np.unique(ids)) == 10 for ids in found)


@metrics
@kinds
def test_rows_that_are_all_the_same_can_be_indexed(client: Milvus1, kind: str, metric: int) -> None:
    """An index over one row many times over is built, and finds as many of them as are wanted."""
    name = indexed(client, kind, metric, np.ones((ROWS, DIMENSION), np.float32), "same")
    asked = json.dumps(KINDS[kind][2])
    (found,) = found_ids(client.search(name, [[1.0] * DIMENSION], 20, params=asked))
    assert len(np.unique(found)) == 20
    assert (found >= 0).all()


@pytest.mark.parametrize("kind", ["RNSG", "ANNOY"])
def test_a_topk_above_the_search_parameter_is_served(client: Milvus1, kind: str) -> None:
    """As many rows as are wanted are found, the nearest first, up to every row there is."""
    rows = np.random.default_rng(2).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    name = indexed(client, kind, 1, rows, "wide")
    order = np.argsort(((rows - rows[7]) ** 2).sum(1), kind="stable")
    asked = json.dumps(KINDS[kind][2])
    for topk, recall in ((500, 0.9), (ROWS, 1.0), (40_000, 1.0)):
        (found,) = found_ids(client.search(name, rows[7:8], topk, params=asked))
        best = min(topk, ROWS)
        assert (found[:best] >= 0).all()
        assert (found[best:] == -1).all()
        assert len(np.intersect1d(found, order[:best])) >= recall * best
