"""One GPU: copies of rows and indexes in its memory, searches there, the training of indexes.

FAISS allows one thread at a time to use a GPU's resources, even to free what was made with them. A
lock ensures that. Builds have resources of their own, so that searches do not wait for them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import faiss
import numpy as np
from faiss.contrib import ivf_tools

from quiver_engine.compute import cuda, gpu_limits
from quiver_engine.errors import RequestError
from quiver_engine.files.index_files import IndexFile
from quiver_engine.indexes import faiss_indexes
from quiver_engine.indexes.faiss_indexes import METRICS
from quiver_engine.indexes.kinds import KINDS
from quiver_engine.model import MIB, Floats, Ids, Metric, Vectors
from quiver_engine.system.memory import Memory, Resident
from quiver_proto import milvus_pb2 as pb

# FAISS's stubs do not know all of it.
_FAISS: Any = faiss

_SHARE_OF_FREE = 0.9
_TRAINING_BYTES = 256 * MIB
_RESULT_BYTES = 256 * MIB
_BYTES_PER_RESULT = 12


class OnGpu:
    """An index of FAISS on a GPU. It is freed under the lock, so no reference to it gets out."""

    def __init__(
        self, lock: threading.Lock, source: Resident[Any], copied: Callable[[Any], Any]
    ) -> None:
        self._lock = lock
        self._source = source
        self._copied = copied
        self._index: Any = None

    def load(self) -> Self:
        # The source comes first, so that no thread waits for host memory while it holds the GPU.
        with self._source.use() as source, _no_room_is_refused(), self._lock:
            self._index = self._copied(source)
        # If the CPU has to search it after all, its file is read again.
        self._source.evict()
        return self

    def unload(self) -> None:
        with self._lock:
            self._index = None

    def search(self, queries: Vectors, count: int, nprobe: int) -> tuple[Floats, Ids]:
        """Return distances and row numbers, both (queries, count), best first; -1 where none.

        `nprobe` is 0 for an index without lists. Raises RequestError OUT_OF_MEMORY.
        """
        params = _FAISS.SearchParametersIVF(nprobe=nprobe) if nprobe else None
        step = max(1, _RESULT_BYTES // (count * _BYTES_PER_RESULT))
        distances = np.empty((len(queries), count), np.float32)
        rows = np.empty((len(queries), count), np.int64)
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            with _no_room_is_refused(), self._lock:
                distances[part], rows[part] = self._index.search(
                    queries[part], count, params=params
                )
        return distances, rows


OnThisGpu = Resident[OnGpu]


class Gpu:
    """A GPU; `memory` counts the rows and indexes that it holds."""

    def __init__(self, number: int, budget: int | None) -> None:
        """Use the GPU of this number; raises CudaError, or RuntimeError from FAISS.

        `budget` is in bytes, None for nine tenths of what is free.
        """
        self.number = number
        self._lock = threading.Lock()
        self._resources = _resources()
        # With its first index FAISS reserves memory for itself. What is free then is for segments.
        _flat_index(self._resources, number, Metric.L2, np.empty((0, 1), np.float32))
        default = int(cuda.memory(number).free * _SHARE_OF_FREE)
        self.memory = Memory(budget or default, "--gpu-memory")
        self.name = f"GPU {number}, up to {(budget or default) / MIB:.0f} MiB of segments"

    def rows(self, raw: Resident[Any], shape: tuple[int, int], metric: Metric) -> OnThisGpu:
        """Return the rows of a segment of this shape; the first use copies them to the GPU."""

        def copied(vectors: Floats) -> Any:
            return _flat_index(self._resources, self.number, metric, vectors)

        return self._resident(raw, gpu_limits.rows_bytes(*shape), copied)

    def index(self, file: IndexFile, shape: tuple[int, int]) -> OnThisGpu:
        """Return the index of a segment of this shape; the first use copies it to the GPU."""

        def copied(index: faiss.Index) -> Any:
            return _FAISS.index_cpu_to_gpu(self._resources, self.number, index)

        size = gpu_limits.index_bytes(KINDS[file.spec.type], file.spec.values, *shape)
        return self._resident(file.loaded, size, copied)

    def _resident(
        self, source: Resident[Any], size: int, copied: Callable[[Any], Any]
    ) -> OnThisGpu:
        on_gpu = OnGpu(self._lock, source, copied)
        name = f"{source.name} on GPU {self.number}"
        return Resident(self.memory, name, size, on_gpu.load, on_gpu.unload)


class GpuTrainer:
    """Computes centroids, and the list of each row, on a GPU; the index itself is on the host."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._resources = _resources()
        self._resources.setTempMemory(_TRAINING_BYTES)
        self._cpu = faiss_indexes.CpuTrainer()
        self._centroids: Any = None

    def train(self, index: Any, rows: Floats) -> None:
        if not isinstance(index, faiss.IndexIVF):
            self._cpu.train(index, rows)
            return
        metric = next(ours for ours, theirs in METRICS.items() if theirs == index.metric_type)
        none = np.empty((0, index.d), np.float32)
        self._centroids = _flat_index(self._resources, self._number, metric, none)
        index.clustering_index = self._centroids
        try:
            index.train(rows)
        finally:
            # FAISS holds a bare pointer, which must not outlive the centroids.
            index.clustering_index = None  # type: ignore[assignment]
        self._centroids.reset()
        self._centroids.add(index.quantizer.reconstruct_n(0, index.nlist))

    def add(self, index: Any, rows: Floats) -> None:
        if not isinstance(index, faiss.IndexIVF):
            self._cpu.add(index, rows)
            return
        _, nearest = self._centroids.search(rows, 1)
        # A row with NaN is in no list, as on the CPU.
        lists = np.where(np.isnan(rows).any(axis=1), -1, nearest[:, 0])
        ivf_tools.add_preassigned(index, np.ascontiguousarray(rows), lists)


def _resources() -> Any:
    resources = _FAISS.StandardGpuResources()
    # Only calls with more than 256 MiB of queries use it, and it takes memory of the process.
    resources.setPinnedMemory(0)
    return resources


def _flat_index(resources: Any, number: int, metric: Metric, vectors: Floats) -> Any:
    config = _FAISS.GpuIndexFlatConfig()
    config.device = number
    index = _FAISS.GpuIndexFlat(resources, vectors.shape[1], METRICS[metric], config)
    try:
        if len(vectors):
            index.add(vectors)
    except RuntimeError:
        # The error refers to this frame. The index has to be freed while the GPU is locked.
        del index
        raise
    return index


@contextmanager
def _no_room_is_refused() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RequestError(
            pb.OUT_OF_MEMORY,
            f"the GPU cannot do it: {faiss_indexes.essence(error)}; if it lacks memory, start the"
            " engine with a smaller --gpu-memory or keep other programs off the GPU",
        ) from error
