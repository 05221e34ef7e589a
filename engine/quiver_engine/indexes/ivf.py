"""Indexes that sort rows into lists, one around each centroid, and search the nearest lists.

FAISS calls them IVF. The types differ in what a list holds of a row: its numbers, or a code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import faiss
import numpy as np

from quiver_engine.errors import BuildError
from quiver_engine.indexes.faiss_indexes import Params, Trainer, selector
from quiver_engine.model import Bits, Floats, Ids

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

ROWS_PER_CENTROID = 39
MAX_NBITS = 8
"""Of a code of IVF_PQ: what FAISS builds at most."""

_DEFAULTS = {"nbits": 8}
_TRAINING_ROWS_PER_CENTROID = 256
_SAMPLE_SEED = 1
_MAX_SQUARED_NORM = 1e34

# FAISS checks these when it copies an index to a GPU; 48 KiB is the shared memory that every GPU of
# NVIDIA gives a block of threads.
_GPU_SHARED_BYTES = 48 * 1024
_GPU_SQ8_DIMENSIONS = _GPU_SHARED_BYTES // 8
_GPU_PQ_CODES = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48}
_GPU_PQ_NBITS = 8
_GPU_PQ_WIDTHS = {1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32}


@dataclass(frozen=True)
class Ivf:
    """Builds and searches one type.

    `codes` names what a list holds as FAISS's index_factory does, with the names of build
    parameters in braces.
    """

    codes: str

    def empty(self, values: Params, metric: int, rows: int, dimension: int) -> faiss.Index:
        codes = self.codes.format_map({**_DEFAULTS, **values})
        factory = f"IVF{list_count(values, rows)},{codes}"
        index: faiss.Index = faiss.index_factory(dimension, factory, metric)
        expect_few_rows(index)
        return index

    def train(self, index: Any, vectors: Floats, trainer: Trainer) -> None:
        trainer.train(index, _training_rows(vectors, index.nlist))

    def finish(self, index: Any, vectors: Floats, is_wanted: Callable[[], bool]) -> None:
        """Do nothing: a row is in the list of the centroid that a search for it finds first."""

    def search(
        self,
        index: Any,
        values: Params,  # noqa: ARG002 - the index itself has its nlist
        params: Params,
        queries: Floats,
        count: int,
        living: Bits | None,
    ) -> tuple[Floats, Ids]:
        nprobe = min(params["nprobe"], index.nlist)
        how = (
            _of_all_rows(nprobe)
            if living is None
            else _FAISS.SearchParametersIVF(nprobe=nprobe, sel=selector(living))
        )
        distances, rows = index.search(queries, count, params=how)
        return distances, rows

    def rows_read(self, values: Params, params: Params, rows: int, topk: int) -> float:  # noqa: ARG002 - whole lists are read
        lists = list_count(values, rows)
        return rows * min(params["nprobe"], lists) / lists


class GpuCodes(NamedTuple):
    """What a GPU's lists hold of a row: both take the build's parameters and the dimension."""

    fits: Callable[[Params, int], bool]
    """Whether FAISS can search such an index on a GPU."""
    code_bytes: Callable[[Params, int], int]
    """Bytes of one row there, without its number."""


def _pq_fits(values: Params, dimension: int) -> bool:
    codes = values["m"]
    is_known = codes in _GPU_PQ_CODES and dimension // codes in _GPU_PQ_WIDTHS
    return is_known and values.get("nbits", _DEFAULTS["nbits"]) == _GPU_PQ_NBITS


GPU_FLAT = GpuCodes(
    fits=lambda _values, _dimension: True, code_bytes=lambda _, dimension: dimension * 4
)
GPU_SQ8 = GpuCodes(
    fits=lambda _, dimension: dimension < _GPU_SQ8_DIMENSIONS,
    code_bytes=lambda _, dimension: dimension,
)
GPU_PQ = GpuCodes(fits=_pq_fits, code_bytes=lambda values, _: values["m"])


def expect_few_rows(index: Any) -> None:
    """Keep FAISS from warnings on stderr, past the log, where rows per centroid are few.

    The lists are cut to the rows already. The codes of IVF_PQ cannot be, and rows whose exact
    distances count in the end.
    """
    index.cp.min_points_per_centroid = 1
    if isinstance(index, faiss.IndexIVFPQ):
        quantizer: Any = index.pq
        quantizer.cp.min_points_per_centroid = 1


def list_count(values: Params, rows: int) -> int:
    """Return how many lists an index over so many rows has."""
    # Lists with fewer rows have poor centroids.
    return min(values["nlist"], max(1, rows // ROWS_PER_CENTROID))


def _training_rows(vectors: Floats, lists: int) -> Floats:
    wanted = max(lists, _TRAINING_ROWS_PER_CENTROID) * _TRAINING_ROWS_PER_CENTROID
    if wanted < len(vectors):
        places = np.random.default_rng(_SAMPLE_SEED).choice(len(vectors), wanted, replace=False)
        sample = vectors[np.sort(places)]
    else:
        sample = vectors
    # FAISS refuses all rows for a single NaN, and a distance that overflows in one of its threads
    # ends the process.
    with np.errstate(over="ignore", invalid="ignore"):
        sound = np.einsum("ij,ij->i", sample, sample) < _MAX_SQUARED_NORM
    sample = sample if sound.all() else sample[sound]
    if not len(sample):
        raise BuildError("no row consists of finite numbers below 1e17, and centroids need some")
    return sample


# Making one takes longer than a search of a few rows.
@lru_cache(maxsize=64)
def _of_all_rows(nprobe: int) -> Any:
    return _FAISS.SearchParametersIVF(nprobe=nprobe)
