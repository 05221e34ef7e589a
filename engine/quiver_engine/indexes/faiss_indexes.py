"""What all indexes over floats have in common: how they are built, and search without an index."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import faiss
import numpy as np

from quiver_engine.errors import BuildCancelled, BuildError
from quiver_engine.model import Bits, Floats, Ids, IndexSpec, Metric

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

METRICS = {Metric.L2: faiss.METRIC_L2, Metric.IP: faiss.METRIC_INNER_PRODUCT}

Params = Mapping[str, int]
"""The parameters of a build or of a search, by the protocol's names."""

_ROWS_AT_ONCE = 4096


class Trainer(Protocol):
    """Does the costly steps of a build, on CPU or GPU; raises RuntimeError as FAISS does."""

    def train(self, index: Any, rows: Floats) -> None: ...

    def add(self, index: Any, rows: Floats) -> None: ...


class CpuTrainer:
    def train(self, index: Any, rows: Floats) -> None:
        index.train(rows)

    def add(self, index: Any, rows: Floats) -> None:
        index.add(rows)


class Recipe(Protocol):
    """How indexes of a type are made and searched; `values` are the parameters of the build."""

    def empty(self, values: Params, metric: int, rows: int, dimension: int) -> faiss.Index:
        """Return an index that is to hold so many rows; `metric` is FAISS's number."""

    def train(self, index: Any, vectors: Floats, trainer: Trainer) -> None:
        """Prepare the index for rows like these; raises BuildError, or RuntimeError as FAISS."""

    def finish(self, index: Any, vectors: Floats, is_wanted: Callable[[], bool]) -> None:
        """Improve the index, which has all rows by now; raises as `build` and FAISS do."""

    def search(
        self,
        index: Any,
        values: Params,
        params: Params,
        queries: Floats,
        count: int,
        living: Bits | None,
    ) -> tuple[Floats, Ids]:
        """Return distances and row numbers, both (queries, count), best first; -1 where none.

        Only rows whose bit in `living` is set are found; without one, all are.
        """

    def rows_read(self, values: Params, params: Params, rows: int, topk: int) -> float:
        """Estimate how many of an index's `rows` a query is compared with."""


def build(
    recipe: Recipe,
    spec: IndexSpec,
    metric: Metric,
    vectors: Floats,
    is_wanted: Callable[[], bool],
    trainer: Trainer,
) -> faiss.Index:
    """Return an index over all rows, which it numbers as `vectors` does.

    Raises BuildError, or BuildCancelled once `is_wanted` returns False.
    """
    rows, dimension = vectors.shape
    try:
        index = recipe.empty(spec.values, METRICS[metric], rows, dimension)
        recipe.train(index, vectors, trainer)
        for places in chunks(rows, is_wanted):
            trainer.add(index, vectors[places])
        recipe.finish(index, vectors, is_wanted)
    except RuntimeError as error:
        raise BuildError(f"FAISS cannot build it: {essence(error)}") from error
    return index


def chunks(rows: int, is_wanted: Callable[[], bool]) -> Iterator[slice]:
    """Yield the places of all rows, some at a time.

    Raises BuildCancelled once `is_wanted` returns False.
    """
    for start in range(0, rows, _ROWS_AT_ONCE):
        if not is_wanted():
            raise BuildCancelled
        yield slice(start, min(start + _ROWS_AT_ONCE, rows))


def essence(error: RuntimeError) -> str:
    """Return the message of an error of FAISS, without the place in FAISS."""
    return str(error).rpartition("Error: ")[2] or str(error)


def selector(living: Bits | None) -> Any:
    """Return FAISS's selector of the rows whose bit is set; None, which selects all, for None."""
    return None if living is None else _FAISS.IDSelectorBitmap(living)


def brute_force(
    vectors: Floats, metric: Metric, queries: Floats, count: int, living: Bits | None
) -> tuple[Floats, Ids]:
    """Search the vectors themselves; return exact results as a recipe's `search` does."""
    if living is None:
        distances, rows = faiss.knn(queries, vectors, count, METRICS[metric])
        return distances, rows
    distances = np.empty((len(queries), count), np.float32)
    rows = np.empty((len(queries), count), np.int64)
    ours, theirs = np.ascontiguousarray(queries), np.ascontiguousarray(vectors)
    pointers = [_FAISS.swig_ptr(array) for array in (ours, theirs)]
    sizes = (vectors.shape[1], len(queries), len(vectors), count)
    results = [_FAISS.swig_ptr(array) for array in (distances, rows)]
    only = selector(living)
    if metric is Metric.L2:
        _FAISS.knn_L2sqr(*pointers, *sizes, *results, None, only)
    else:
        _FAISS.knn_inner_product(*pointers, *sizes, *results, only)
    return distances, rows
