"""Indexes over vectors of bits, and search by brute force.

FAISS's index of bits searches by HAMMING only and cannot leave out deleted rows. Every other search
is done here, with the lists of FAISS's index.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import faiss
import numpy as np

from quiver_engine.errors import BuildCancelled, BuildError
from quiver_engine.indexes import binary_distances
from quiver_engine.indexes.faiss_indexes import Params, essence
from quiver_engine.indexes.ivf import ROWS_PER_CENTROID, expect_few_rows, list_count
from quiver_engine.model import MIB, Bits, Floats, Ids, IndexSpec, Metric

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_ROWS_AT_ONCE = 32_768
_KEYS_AT_ONCE = 1 << 19
_TRAINING_ROWS_PER_CENTROID = 256
_TRAINING_BYTES = 512 * MIB
_SAMPLE_SEED = 1


def build(spec: IndexSpec, vectors: Bits, is_wanted: Callable[[], bool]) -> faiss.IndexBinary:
    """Return an IVF_FLAT index over all rows, which it numbers as `vectors` does.

    Raises BuildError, or BuildCancelled once `is_wanted` returns False.
    """
    rows, width = vectors.shape
    lists = list_count(spec.values, rows)
    try:
        index: Any = _FAISS.index_binary_factory(width * 8, f"BIVF{lists}")
        expect_few_rows(index)
        index.train(_training_rows(vectors, lists))
        for start in range(0, rows, _ROWS_AT_ONCE):
            if not is_wanted():
                raise BuildCancelled
            index.add(vectors[start : start + _ROWS_AT_ONCE])
    except RuntimeError as error:
        raise BuildError(f"FAISS cannot build it: {essence(error)}") from error
    built: faiss.IndexBinary = index
    return built


def _training_rows(vectors: Bits, lists: int) -> Bits:
    # To find centroids, FAISS makes a float of every bit.
    affordable = _TRAINING_BYTES // (vectors.shape[1] * 8 * 4)
    most = max(lists, _TRAINING_ROWS_PER_CENTROID) * _TRAINING_ROWS_PER_CENTROID
    wanted = max(lists * ROWS_PER_CENTROID, min(most, affordable))
    if wanted >= len(vectors):
        return vectors
    places = np.random.default_rng(_SAMPLE_SEED).choice(len(vectors), wanted, replace=False)
    sample: Bits = vectors[np.sort(places)]
    return sample


def search(
    index: Any,
    metric: Metric,
    params: Params,
    queries: Bits,
    count: int,
    living: Bits | None,
) -> tuple[Floats, Ids]:
    """Return distances and row numbers, both (queries, count), best first; -1 where none.

    The lists of the `nprobe` centroids of least HAMMING distance are searched. Only rows whose bit
    in `living` is set are found; without one, all are.
    """
    nprobe = min(params["nprobe"], index.nlist)
    if metric is Metric.HAMMING and living is None:
        how = _FAISS.SearchParametersIVF(nprobe=nprobe)
        distances, numbers = index.search(queries, count, params=how)
        return np.where(numbers < 0, np.inf, distances).astype(np.float32), numbers
    best = _Best(metric, queries, count)
    _, visits = index.quantizer.search(queries, nprobe)
    is_living = None if living is None else _is_living(living)
    for number in np.unique(visits):
        asking = np.flatnonzero((visits == number).any(axis=1))
        rows, vectors = _list(index, int(number))
        best.offer(asking, rows, vectors, is_living)
    return best.found()


class RecipeOfBits(NamedTuple):
    """How indexes of a type are built over bits and searched, as IVF_FLAT is here."""

    build: Callable[[IndexSpec, Bits, Callable[[], bool]], faiss.IndexBinary]
    search: Callable[[Any, Metric, Params, Bits, int, Bits | None], tuple[Floats, Ids]]


IVF = RecipeOfBits(build, search)


def brute_force(
    vectors: Bits, metric: Metric, queries: Bits, count: int, living: Bits | None
) -> tuple[Floats, Ids]:
    """Search all rows; return exact results as `search` does."""
    best = _Best(metric, queries, count)
    is_living = None if living is None else _is_living(living)
    everyone = np.arange(len(queries))
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        chunk = vectors[start : start + _ROWS_AT_ONCE]
        best.offer(everyone, np.arange(start, start + len(chunk)), chunk, is_living)
    return best.found()


def _is_living(living: Bits) -> Bits:
    return np.unpackbits(living, bitorder="little")


def _list(index: Any, number: int) -> tuple[Ids, Bits]:
    """Return the row numbers and vectors of a list, which are views of the index's memory."""
    size, width = index.invlists.list_size(number), index.code_size
    if not size:
        return np.empty(0, np.int64), np.empty((0, width), np.uint8)
    rows: Ids = _FAISS.rev_swig_ptr(index.invlists.get_ids(number), size)
    codes: Bits = _FAISS.rev_swig_ptr(index.invlists.get_codes(number), size * width)
    return rows, codes.reshape(size, width)


class _Best:
    """The best rows seen so far, for each query: keys and row numbers, both (queries, count)."""

    def __init__(self, metric: Metric, queries: Bits, count: int) -> None:
        self._metric = metric
        self._queries = queries
        self._keys = np.full((len(queries), count), np.inf, np.float32)
        self._rows = np.full((len(queries), count), -1, np.int64)

    def offer(self, asking: Ids, rows: Ids, vectors: Bits, is_living: Bits | None) -> None:
        """Compare rows with the queries whose numbers are in `asking`, and keep the best."""
        if is_living is not None and not (kept := is_living[rows].astype(bool)).all():
            rows, vectors = rows[kept], vectors[kept]
        if not len(rows):
            return
        vectors = np.ascontiguousarray(vectors)
        for places in _blocks(asking, max(1, _KEYS_AT_ONCE // len(rows))):
            keys = binary_distances.keys(self._metric, self._queries[places], vectors)
            for place, offered in zip(places, keys, strict=True):
                self._take(place, offered, rows)

    def _take(self, place: int, offered: Floats, rows: Ids) -> None:
        better = np.flatnonzero(offered < self._keys[place, -1])
        if not len(better):
            return
        keys = np.concatenate([self._keys[place], offered[better]])
        numbers = np.concatenate([self._rows[place], rows[better]])
        count = self._keys.shape[1]
        best = np.argpartition(keys, count - 1)[:count]
        best = best[np.argsort(keys[best], kind="stable")]
        self._keys[place], self._rows[place] = keys[best], numbers[best]

    def found(self) -> tuple[Floats, Ids]:
        return binary_distances.distances(self._metric, self._keys), self._rows


def _blocks(places: Ids, size: int) -> Iterator[Ids]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
