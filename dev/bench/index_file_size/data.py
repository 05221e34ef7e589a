"""The rows and queries of a run, always the same."""

from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from quiver_engine.model import Floats

DIMENSION = 128
TOPK = 10
CLUSTERS = 1000
ROWS_AT_ONCE = 2**18


@dataclass(frozen=True)
class Plan:
    """What is measured. Sizes are in MB (2^20 bytes) of vectors."""

    total_mb: int
    sizes_mb: tuple[int, ...]
    nlist: int
    nprobes: tuple[int, ...]
    queries: int
    flat_queries: int
    """How many of the queries search without an index as well; 0 leaves that out."""

    @property
    def rows(self) -> int:
        return self.total_mb * 2**20 // (DIMENSION * 4)


@dataclass(frozen=True)
class Data:
    rows: Floats
    queries: Floats
    exact: npt.NDArray[np.int64]
    """The true nearest rows of each query, shape (queries, TOPK)."""


def clustered(plan: Plan) -> Data:
    """Draw rows and queries from one mixture of clusters."""
    drawn = np.empty((plan.rows + plan.queries, DIMENSION), np.float32)
    at = 0
    for part in _drawn(len(drawn)):
        drawn[at : at + len(part)] = part
        at += len(part)
    rows, queries = drawn[: plan.rows], drawn[plan.rows :]
    _, exact = faiss.knn(queries, rows, TOPK)
    return Data(rows, queries, exact)


def _drawn(count: int) -> Iterator[Floats]:
    random = np.random.default_rng(42)
    centres = random.normal(size=(CLUSTERS, DIMENSION))
    for start in range(0, count, ROWS_AT_ONCE):
        places = centres[random.integers(CLUSTERS, size=min(ROWS_AT_ONCE, count - start))]
        yield (places + 0.5 * random.normal(size=places.shape)).astype(np.float32)
