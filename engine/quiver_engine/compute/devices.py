"""Devices that search segments and build indexes: the CPU here, GPUs in gpus.py."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol, cast

from quiver_engine.compute.search import Asked
from quiver_engine.errors import DamagedIndex
from quiver_engine.files.segments import Segment
from quiver_engine.indexes import binary_indexes, faiss_indexes
from quiver_engine.indexes.faiss_indexes import CpuTrainer, Trainer
from quiver_engine.model import Bits, CallerWaits, Floats, Ids, IndexSpec, Metric
from quiver_engine.system.memory import Memory, Resident


class GpuMemory(NamedTuple):
    """A GPU's number, what the engine holds there, and its bytes: used by all processes, in all."""

    number: int
    memory: Memory
    used: int
    total: int


class Device(Protocol):
    """What the engine computes on. `memory` is the host's; `trainer` is for builds of indexes.

    `why_no_gpu` is None for GPUs.
    """

    name: str
    why_no_gpu: str | None
    memory: Memory
    trainer: Trainer

    def gpus(self) -> Sequence[GpuMemory]:
        """Return the GPUs that the engine uses; none for the CPU."""

    def nearest(
        self, segment: Segment, asked: Asked, count: int, caller_waits: CallerWaits
    ) -> tuple[Floats, Ids]:
        """Return distances and row numbers in the segment, both (queries, count), best first.

        A row number is -1 where there is none. Raises RequestError OUT_OF_MEMORY when the segment
        cannot fit into memory, CallerLeft when the caller no longer waits.
        """

    def at_hand(self, segment: Segment, asked: Asked) -> AbstractContextManager[float]:
        """Yield how many bytes a search would read, and keep them in memory until the end.

        Yield infinity where they would have to be loaded first.
        """

    def preload(self, segment: Segment, metric: Metric, caller_waits: CallerWaits) -> None:
        """Load what a search reads; raises RequestError OUT_OF_MEMORY when it cannot fit."""

    def check(self, segment: Segment, spec: IndexSpec) -> None:
        """Raise RequestError OUT_OF_MEMORY for a segment whose index could not fit into memory."""


class Cpu:
    """FAISS on all cores."""

    def __init__(self, memory: Memory, why_no_gpu: str = "no GPU was looked for") -> None:
        self.name = "the CPU"
        self.why_no_gpu: str | None = why_no_gpu
        self.memory = memory
        self.trainer: Trainer = CpuTrainer()

    def gpus(self) -> Sequence[GpuMemory]:
        return ()

    def nearest(
        self, segment: Segment, asked: Asked, count: int, caller_waits: CallerWaits
    ) -> tuple[Floats, Ids]:
        living = segment.deletions.living_bits if segment.deletions else None
        if segment.index is not None and segment.index.spec == asked.spec:
            try:
                with segment.index.loaded.use(caller_waits) as index:
                    return _by_index(index, asked, count, living)
            except DamagedIndex:
                # The damage was reported when it was found. The rows are sound.
                pass
        with segment.raw.use(caller_waits) as vectors:
            return _by_brute_force(vectors, asked, count, living)

    @contextmanager
    def at_hand(self, segment: Segment, asked: Asked) -> Iterator[float]:
        index = segment.index
        if index is not None and index.spec == asked.spec:
            recipe, values = asked.kind.recipe, asked.spec.values
            rows = recipe.rows_read(values, asked.params, segment.rows, asked.topk)
            share, resident = rows / segment.rows, cast("Resident[Any]", index.loaded)
        else:
            share, resident = 1.0, segment.raw
        with resident.keep() as is_loaded:
            yield share * resident.bytes * len(asked.queries) if is_loaded else math.inf

    def preload(self, segment: Segment, _: Metric, caller_waits: CallerWaits) -> None:
        try:
            if segment.index is not None:
                with segment.index.loaded.use(caller_waits):
                    return
        except DamagedIndex:
            # The damage was reported when it was found. Searches use the rows instead.
            pass
        with segment.raw.use(caller_waits):
            return

    def check(self, segment: Segment, _: IndexSpec) -> None:
        segment.raw.check()


def _by_index(index: Any, asked: Asked, count: int, living: Bits | None) -> tuple[Floats, Ids]:
    # The metric decides whether rows and queries are floats or bits.
    queries: Any = asked.queries
    kind, params = asked.kind, asked.params
    if asked.metric.is_binary:
        return kind.recipe_of_bits.search(index, asked.metric, params, queries, count, living)
    return kind.recipe.search(index, asked.spec.values, params, queries, count, living)


def _by_brute_force(
    vectors: Any, asked: Asked, count: int, living: Bits | None
) -> tuple[Floats, Ids]:
    queries: Any = asked.queries
    if asked.metric.is_binary:
        return binary_indexes.brute_force(vectors, asked.metric, queries, count, living)
    return faiss_indexes.brute_force(vectors, asked.metric, queries, count, living)
