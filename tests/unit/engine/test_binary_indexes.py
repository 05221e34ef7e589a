"""Indexes of bits: what they find, and how a build ends."""

import json
import math

import numpy as np
import pytest

from quiver_engine.errors import BuildCancelled
from quiver_engine.indexes import binary_indexes
from quiver_engine.model import IndexSpec, IndexType, Metric
from support.binary_oracle import METRICS, nested, plain_answer, similar


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_rows_of_any_length_are_compared_as_the_metric_says(metric: Metric) -> None:
    """For rows of 1 to 17 bytes, deleted or not, the best are found at their distances."""
    random = np.random.default_rng(metric)
    for seed in range(60):
        size, width, count = random.integers(1, 13), random.integers(1, 18), random.integers(1, 16)
        rows, queries = nested(size, width, seed), nested(3, width, seed + 1000)
        is_living = random.random(size) < random.choice([0.5, 1])
        living = None if is_living.all() else np.packbits(is_living, bitorder="little")
        distances, found = binary_indexes.brute_force(rows, metric, queries, int(count), living)
        best = plain_answer(metric, queries, rows[is_living], int(count), missing=math.inf)
        np.testing.assert_allclose(distances, best, rtol=1e-5)
        assert not set(found[found >= 0]) & set(np.flatnonzero(~is_living))


def index_spec(nlist: int) -> IndexSpec:
    return IndexSpec(IndexType.IVF_FLAT, json.dumps({"nlist": nlist}))


def test_the_lists_of_an_index_hold_what_faiss_finds_in_them() -> None:
    """A search of an index gives FAISS's own distances for the same index and nprobe."""
    rows, queries = similar(3000, 3), similar(50, 3, seed=1)
    index = binary_indexes.build(index_spec(1000), rows, lambda: True)
    assert index.nlist == 3000 // 39
    found, _ = binary_indexes.search(index, Metric.HAMMING, {"nprobe": 5}, queries, 40, None)
    index.nprobe = 5
    expected, places = index.search(queries, 40)
    np.testing.assert_array_equal(found, np.where(places >= 0, expected, np.inf))


def test_a_build_ends_when_nobody_wants_it() -> None:
    """What is dropped meanwhile stops a build between two chunks."""
    with pytest.raises(BuildCancelled):
        binary_indexes.build(index_spec(4), similar(400, 2), lambda: False)
