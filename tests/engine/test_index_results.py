"""What searches find through each kind of index, whatever the rows are."""

import json

import faiss
import numpy as np
import pytest

from quiver_proto import milvus_pb2 as pb
from support.index_kinds import EF, KINDS, clustered
from support.milvus1_client import Milvus1, found_distances, found_ids

ROWS = 12_000
DIMENSION = 32
TOPK = 10
CHANCE = 0.03


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    hits = [len(np.intersect1d(one, other)) for one, other in zip(found, exact, strict=True)]
    return sum(hits) / exact.size


@pytest.fixture(scope="module")
def filled(client: Milvus1) -> dict[int, str]:
    """Two collections of the same rows, L2 and IP, in three full segments each."""
    names = {1: "indexed_l2", 2: "indexed_ip"}
    for metric, name in names.items():
        client.create(name, DIMENSION, index_file_size=1, metric_type=metric)
        client.insert(name, clustered(ROWS, DIMENSION), range(ROWS))
        client.flush(name)
    return names


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_finds_no_less_than_one_of_faiss_over_all_rows(
    client: Milvus1, filled: dict[int, str], kind: str, metric: int
) -> None:
    """Recall over segments with an index each is that of the same FAISS index over all rows."""
    number, build, search, index_name, recipe = KINDS[kind]
    name, rows, queries = filled[metric], clustered(ROWS, DIMENSION), clustered(200, DIMENSION, 7)
    faiss_metric = {1: faiss.METRIC_L2, 2: faiss.METRIC_INNER_PRODUCT}[metric]
    _, exact = faiss.knn(queries, rows, TOPK, faiss_metric)
    assert client.create_index(name, number, json.dumps(build)) == pb.Status(reason="OK")
    assert client.index_names(name).count(index_name) == 1
    assert client.describe_index(name) == (number, json.dumps(build))
    result = client.search(name, queries, TOPK, params=json.dumps(search))
    faiss.omp_set_num_threads(1)  # several threads wait for each other where cores are few
    whole = faiss.index_factory(DIMENSION, recipe, faiss_metric)
    if kind in EF:
        whole.hnsw.efConstruction, whole.hnsw.efSearch = EF[kind]
    else:
        whole.nprobe = search["nprobe"]
    whole.train(rows)
    whole.add(rows)
    _, found = whole.search(queries, TOPK)
    assert recall(found_ids(result), exact) >= recall(found, exact) - CHANCE
    best = found_distances(result)[:, 0]
    assert (np.diff(found_distances(result) * (1 if metric == 1 else -1), axis=1) >= 0).all()
    assert np.isfinite(best).all()


def test_rows_that_are_no_numbers_do_not_keep_an_index_from_being_built(client: Milvus1) -> None:
    """NaN rows are left out of the training; where there are no others, the reason says so."""
    rows = clustered(5000, 4)
    rows[::100] = np.nan
    client.create("holes", dimension=4)
    client.insert("holes", rows, range(5000))
    assert client.create_index("holes", 2, '{"nlist": 16}').error_code == pb.SUCCESS
    found = found_ids(client.search("holes", rows[1:50], params='{"nprobe": 16}'))
    np.testing.assert_array_equal(found.ravel(), range(1, 50))
    client.create("nothing", dimension=4)
    client.insert("nothing", np.full((5000, 4), np.nan, np.float32))
    status = client.create_index("nothing", 2, '{"nlist": 16}')
    assert status.error_code == pb.BUILD_INDEX_ERROR
    assert "finite numbers" in status.reason
    assert client.count("nothing") == 5000


@pytest.mark.parametrize("metric", [1, 2])
@pytest.mark.parametrize(
    ("index_type", "params"),
    [
        (2, '{"nlist": 8, "nprobe": 8}'),
        (3, '{"nlist": 8, "nprobe": 8}'),
        (6, '{"nlist": 8, "m": 2, "nprobe": 8}'),
        (11, '{"M": 8, "efConstruction": 16, "ef": 64}'),
        (
            4,
            '{"search_length": 20, "out_degree": 20, "candidate_pool_size": 60, "knng": 20}',
        ),
        (12, '{"n_trees": 4, "search_k": -1}'),
    ],
)
def test_huge_numbers_do_not_bring_the_engine_down(
    client: Milvus1, metric: int, index_type: int, params: str
) -> None:
    """Rows whose distances overflow are left out of the training; the others are found."""
    name = f"huge_{metric}_{index_type}"
    rows = clustered(5000, 8)
    rows[10:15] = 3e38
    rows[15:20] = -3e38, 3e38, 0, 0, 1e30, 1e25, 1e20, 1e19
    rows[20:220] = np.random.default_rng(1).integers(0, 2**32, (200, 8), np.uint32).view("f4")
    client.create(name, dimension=8, metric_type=metric)
    client.insert(name, rows, range(len(rows)))
    assert client.create_index(name, index_type, params).error_code == pb.SUCCESS
    result = client.search(name, rows[:300], topk=3, params=params)
    assert result.status.error_code == pb.SUCCESS
    if (metric, index_type) == (1, 2):
        np.testing.assert_array_equal(found_ids(result)[:10, 0], range(10))
