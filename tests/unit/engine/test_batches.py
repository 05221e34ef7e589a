"""Searches that are answered together get the answers that they would get alone."""

import faiss
import numpy as np
import pytest

from quiver_engine.calls.search_calls import batch_item
from quiver_engine.server.fair_queue import MAX_WEIGHT
from quiver_proto import milvus_pb2 as pb


def search(dimension: int) -> bytes:
    record = pb.RowRecord(float_data=[0.0] * dimension)
    return pb.SearchParam(
        collection_name="c", topk=1, query_record_array=[record]
    ).SerializeToString()


@pytest.mark.parametrize("dimension", [1, 128, 4096, 6736, 6737, 8192, 16_000])
def test_a_batch_is_computed_as_each_of_its_searches_is(dimension: int) -> None:
    """From so many numbers on FAISS computes distances in another way, which rounds differently."""
    item = batch_item(search(dimension))
    largest = dimension * (1 if item is None else MAX_WEIGHT)
    assert largest < faiss.cvar.distance_compute_blas_threshold


def test_what_faiss_computes_alone_and_in_the_largest_batch_is_the_same() -> None:
    """To the last bit, at the largest dimension that is answered together."""
    random = np.random.default_rng(1)
    rows, queries = (random.normal(size=(n, 6736)).astype(np.float32) for n in (50, MAX_WEIGHT))
    together, _ = faiss.knn(queries, rows, 3)
    alone = np.concatenate([faiss.knn(query[None], rows, 3)[0] for query in queries])
    assert (together == alone).all()
