"""Indexes of FAISS: built over a segment's rows, searched with a search's parameters."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import faiss
import numpy as np

from quiver_engine.errors import BuildCancelled, BuildError
from quiver_engine.indexes import graphs
from quiver_engine.model import Bits, Floats, Ids, IndexSpec, IndexType, Metric

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

METRICS = {Metric.L2: faiss.METRIC_L2, Metric.IP: faiss.METRIC_INNER_PRODUCT}

ROWS_PER_CENTROID = 39
_TRAINING_ROWS_PER_CENTROID = 256
_ROWS_AT_ONCE = 4096
_SAMPLE_SEED = 1
_MAX_SQUARED_NORM = 1e34


class Trainer(Protocol):
    """Computes what takes most of a build; raises RuntimeError as FAISS does."""

    def train(self, index: Any, rows: Floats) -> None: ...

    def add(self, index: Any, rows: Floats) -> None: ...


class CpuTrainer:
    def train(self, index: Any, rows: Floats) -> None:
        index.train(rows)

    def add(self, index: Any, rows: Floats) -> None:
        index.add(rows)


def build(
    spec: IndexSpec,
    metric: Metric,
    vectors: Floats,
    is_wanted: Callable[[], bool],
    trainer: Trainer,
) -> faiss.Index:
    """Return an index over all rows; their numbers in it are their places in `vectors`.

    Asks between chunks whether it is still wanted. Raises BuildError, or BuildCancelled.
    """
    rows, dimension = vectors.shape
    try:
        index = _empty(spec, METRICS[metric], rows, dimension)
        if not index.is_trained:
            trainer.train(index, _training_rows(vectors, index.nlist))
        for start in range(0, rows, _ROWS_AT_ONCE):
            if not is_wanted():
                raise BuildCancelled
            trainer.add(index, vectors[start : start + _ROWS_AT_ONCE])
    except RuntimeError as error:
        raise BuildError(f"FAISS cannot build it: {essence(error)}") from error
    built: faiss.Index = index
    return built


def _empty(spec: IndexSpec, metric: int, rows: int, dimension: int) -> Any:
    if spec.type in graphs.GRAPHS:
        return graphs.empty(spec, dimension, metric)
    return faiss.index_factory(dimension, _recipe(spec, rows), metric)


def _recipe(spec: IndexSpec, rows: int) -> str:
    values = spec.values
    lists = f"IVF{list_count(spec, rows)}"
    match spec.type:
        case IndexType.IVF_FLAT:
            return f"{lists},Flat"
        case IndexType.IVF_SQ8 | IndexType.IVF_SQ8H:
            return f"{lists},SQ8"
        case IndexType.IVF_PQ:
            # np: no polysemous codes, which take most of the training and which no search uses.
            return f"{lists},PQ{values['m']}x{values.get('nbits', 8)}np"
    raise AssertionError(f"nothing builds {spec.type.name}")


def list_count(spec: IndexSpec, rows: int) -> int:
    """Return how many lists an IVF index over so many rows has."""
    # Fewer rows than this for a list make poor centroids.
    return min(spec.values["nlist"], max(1, rows // ROWS_PER_CENTROID))


def _training_rows(vectors: Floats, lists: int) -> Floats:
    wanted = max(lists, _TRAINING_ROWS_PER_CENTROID) * _TRAINING_ROWS_PER_CENTROID
    if wanted < len(vectors):
        places = np.random.default_rng(_SAMPLE_SEED).choice(len(vectors), wanted, replace=False)
        sample = vectors[np.sort(places)]
    else:
        sample = vectors
    # One NaN among them and FAISS would refuse them all; one distance that overflows in one of its
    # own threads ends the process.
    with np.errstate(over="ignore", invalid="ignore"):
        sound = np.einsum("ij,ij->i", sample, sample) < _MAX_SQUARED_NORM
    sample = sample if sound.all() else sample[sound]
    if not len(sample):
        raise BuildError("no row consists of finite numbers below 1e17, and centroids need some")
    return sample


def essence(error: RuntimeError) -> str:
    """Return what an error of FAISS says, without where in FAISS."""
    return str(error).rpartition("Error: ")[2] or str(error)


def search(
    index: Any,
    spec: IndexSpec,
    params: Mapping[str, int],
    queries: Floats,
    count: int,
    living: Bits | None,
) -> tuple[Floats, Ids]:
    """Return distances and row numbers, both (queries, count), best first; -1 where none.

    Only rows whose bit in `living` is set are found; without one, all are.
    """
    only = None if living is None else _FAISS.IDSelectorBitmap(living)
    if spec.type in graphs.GRAPHS:
        return graphs.search(index, graphs.breadth(spec, params, count), queries, count, only)
    nprobe = min(params["nprobe"], index.nlist)
    how = (
        _of_all_rows(nprobe)
        if only is None
        else _FAISS.SearchParametersIVF(nprobe=nprobe, sel=only)
    )
    distances, rows = index.search(queries, count, params=how)
    return distances, rows


# Making one takes longer than a search of a few rows.
@lru_cache(maxsize=64)
def _of_all_rows(nprobe: int) -> Any:
    return _FAISS.SearchParametersIVF(nprobe=nprobe)


def rows_read(spec: IndexSpec, params: Mapping[str, int], rows: int, topk: int) -> float:
    """Return how many of an index's rows a query is compared with, about."""
    if spec.type in graphs.GRAPHS:
        return min(rows, graphs.rows_read(spec, params, topk))
    lists = list_count(spec, rows)
    return rows * min(params["nprobe"], lists) / lists


def brute_force(
    vectors: Floats, metric: Metric, queries: Floats, count: int, living: Bits | None
) -> tuple[Floats, Ids]:
    """Return what `search` returns, from the vectors themselves and exact."""
    if living is None:
        distances, rows = faiss.knn(queries, vectors, count, METRICS[metric])
        return distances, rows
    distances = np.empty((len(queries), count), np.float32)
    rows = np.empty((len(queries), count), np.int64)
    ours, theirs = np.ascontiguousarray(queries), np.ascontiguousarray(vectors)
    pointers = [_FAISS.swig_ptr(array) for array in (ours, theirs)]
    sizes = (vectors.shape[1], len(queries), len(vectors), count)
    results = [_FAISS.swig_ptr(array) for array in (distances, rows)]
    only = _FAISS.IDSelectorBitmap(living)
    if metric is Metric.L2:
        _FAISS.knn_L2sqr(*pointers, *sizes, *results, None, only)
    else:
        _FAISS.knn_inner_product(*pointers, *sizes, *results, only)
    return distances, rows
