"""The GPUs of a machine as a device. What FAISS cannot do there, the CPU does."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from quiver_engine.compute import cuda, gpu_limits
from quiver_engine.compute.devices import Cpu, Device, GpuMemory
from quiver_engine.compute.gpu import Gpu, GpuTrainer, OnThisGpu
from quiver_engine.compute.search import Asked
from quiver_engine.errors import DamagedIndex
from quiver_engine.files.deletions import Mask
from quiver_engine.files.index_files import IndexFile
from quiver_engine.files.segments import Segment, with_index
from quiver_engine.indexes.faiss_indexes import Trainer
from quiver_engine.indexes.ivf import list_count
from quiver_engine.indexes.kinds import KINDS, IndexKind
from quiver_engine.model import CallerWaits, Floats, Ids, IndexSpec, Metric, Vectors

_SPARE = 64


class Gpus:
    """A segment's number decides which GPU searches it. The first GPU trains all indexes."""

    def __init__(self, cpu: Cpu, gpus: Sequence[Gpu]) -> None:
        self.name = "; ".join(gpu.name for gpu in gpus)
        self.why_no_gpu: str | None = None
        self.memory = cpu.memory
        self.trainer: Trainer = GpuTrainer(gpus[0].number)
        self._cpu: Device = cpu
        self._gpus = gpus

    def gpus(self) -> Sequence[GpuMemory]:
        usages = [(gpu, cuda.memory(gpu.number)) for gpu in self._gpus]
        return [GpuMemory(g.number, g.memory, u.total - u.free, u.total) for g, u in usages]

    def nearest(
        self, segment: Segment, asked: Asked, count: int, caller_waits: CallerWaits
    ) -> tuple[Floats, Ids]:
        try:
            return self._nearest(segment, asked, count, caller_waits)
        except DamagedIndex:
            # The damage was reported when it was found. The rows are sound.
            return self._nearest(with_index(segment, None), asked, count, caller_waits)

    def _nearest(
        self, segment: Segment, asked: Asked, count: int, caller_waits: CallerWaits
    ) -> tuple[Floats, Ids]:
        def on_cpu(queries: Vectors) -> tuple[Floats, Ids]:
            some = replace(asked, queries=queries)
            return self._cpu.nearest(segment, some, count, caller_waits)

        # FAISS's GPU indexes cannot leave out deleted rows, so the search asks for more.
        spare = min(segment.deleted, max(0, min(count + _SPARE, gpu_limits.MAX_K - count)))
        held, nprobe = self._held(segment, asked)
        if held is None or nprobe > gpu_limits.MAX_NPROBE or count > gpu_limits.MAX_K:
            return on_cpu(asked.queries)
        with held.use(caller_waits) as on_gpu:
            distances, rows = on_gpu.search(asked.queries, count + spare, nprobe)
        if segment.deletions is None:
            return distances, rows
        distances, rows, is_whole = _living(distances, rows, segment.deletions.rows, count)
        if not is_whole.all():
            distances[~is_whole], rows[~is_whole] = on_cpu(asked.queries[~is_whole])
        return distances, rows

    def _held(self, segment: Segment, asked: Asked) -> tuple[OnThisGpu | None, int]:
        """Return what a GPU can search for this, None if nothing, and how many lists to search."""
        index = segment.index
        if index is None or index.spec != asked.spec:
            is_there = asked.is_own_metric and gpu_limits.has_metric(asked.metric)
            return self._rows(segment, asked.metric) if is_there else None, 0
        if not _has_index(segment, asked.kind, index.spec):
            return None, 0
        nprobe = min(asked.params["nprobe"], list_count(index.spec.values, segment.rows))
        return self._index(segment, index), nprobe

    def _rows(self, segment: Segment, metric: Metric) -> OnThisGpu:
        gpu, raw, shape = self._gpu_of(segment), segment.raw, segment.vectors.shape
        return raw.copy(lambda: gpu.rows(raw, (shape[0], shape[1]), metric))

    def _index(self, segment: Segment, index: IndexFile) -> OnThisGpu:
        gpu, shape = self._gpu_of(segment), segment.vectors.shape
        return index.loaded.copy(lambda: gpu.index(index, (shape[0], shape[1])))

    def _gpu_of(self, segment: Segment) -> Gpu:
        return self._gpus[segment.id % len(self._gpus)]

    def at_hand(self, segment: Segment, asked: Asked) -> AbstractContextManager[float]:  # noqa: ARG002 - a GPU is never so near
        return nullcontext(math.inf)

    def preload(self, segment: Segment, metric: Metric, caller_waits: CallerWaits) -> None:
        index = segment.index
        if index is None and gpu_limits.has_metric(metric):
            with self._rows(segment, metric).use(caller_waits):
                return
        if index is None or not _has_index(segment, KINDS[index.spec.type], index.spec):
            self._cpu.preload(segment, metric, caller_waits)
            return
        try:
            with self._index(segment, index).use(caller_waits):
                return
        except DamagedIndex:
            # The damage was reported when it was found. Searches use the rows instead.
            self.preload(with_index(segment, None), metric, caller_waits)

    def check(self, segment: Segment, spec: IndexSpec) -> None:
        self._cpu.check(segment, spec)
        rows, dimension = segment.vectors.shape
        kind = KINDS[spec.type]
        if _has_index(segment, kind, spec):
            gpu = self._gpu_of(segment)
            name = f"the {spec.type.name} index of a segment of {rows} rows on GPU {gpu.number}"
            gpu.memory.check(name, gpu_limits.index_bytes(kind, spec.values, rows, dimension))


def _has_index(segment: Segment, kind: IndexKind, spec: IndexSpec) -> bool:
    dimension = segment.vectors.shape[1]
    return not segment.is_binary and gpu_limits.has_index(kind, spec.values, dimension)


def _living(
    distances: Floats, rows: Ids, deleted: Mask, count: int
) -> tuple[Floats, Ids, npt.NDArray[np.bool_]]:
    """Leave out deleted rows, and return for each query whether its best `count` are all there.

    Distances and row numbers have shape (queries, count), the last result (queries,).
    """
    is_found = rows >= 0
    keeps = is_found & ~deleted[rows]
    # A query that found fewer rows than it asked for has seen every row.
    is_whole = (keeps.sum(axis=1) >= count) | ~is_found.all(axis=1)
    order = np.argsort(~keeps, axis=1, kind="stable")[:, :count]
    kept = np.where(keeps, rows, -1)
    return (
        np.take_along_axis(distances, order, axis=1),
        np.take_along_axis(kept, order, axis=1),
        is_whole,
    )
