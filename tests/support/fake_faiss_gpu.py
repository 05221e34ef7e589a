"""FAISS and CUDA as they are where there are GPUs, over FAISS on the CPU.

What the real ones refuse is refused, what they ignore is ignored: more than 2048 results or lists,
parameters of another kind, product quantizers that the kernels do not know are errors; selectors
find what they leave out. Resources that two threads use at once end the process, since the real
ones go wrong silently. Every search writes a line to stderr.

`python fake_faiss_gpu.py GPUS BYTES OPTION…` is an engine on so many GPUs of so many bytes.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import faiss

from quiver_engine.compute import cuda

MAX_K = 2048
TEMPORARY = 1 << 20
PQ_CODES = {1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96}
SHARED_BYTES = 48 * 1024


class Devices:
    """The bytes that are taken of each GPU."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        self.taken = [0] * count

    def take(self, number: int, size: int) -> None:
        if self.taken[number] + size > self.size:
            raise RuntimeError(
                "Error in void* allocMemory() at x.cpp:1: Error: 'err == cudaSuccess' failed:"
                f" alloc fail size {size} (cudaMalloc error out of memory [2])"
            )
        self.taken[number] += size


DEVICES = Devices(1, 1 << 30)


class StandardGpuResources:
    def __init__(self) -> None:
        self._in_use = threading.Lock()
        self._initialized: set[int] = set()

    def setTempMemory(self, _: int) -> None:  # noqa: N802 - FAISS's names
        """Take as much as the real ones do, however little is asked for."""

    def setPinnedMemory(self, _: int) -> None:  # noqa: N802
        assert not self._initialized, "FAISS would abort"

    @contextmanager
    def used(self, number: int) -> Iterator[None]:
        if not self._in_use.acquire(blocking=False):
            sys.stderr.write("two threads used the resources of a GPU at once\n")
            sys.stderr.flush()
            os._exit(99)
        try:
            if number not in self._initialized:
                self._initialized.add(number)
                DEVICES.take(number, TEMPORARY)
            # Long enough for others to run into it.
            time.sleep(0.0005)
            yield
        finally:
            self._in_use.release()


class GpuIndexFlatConfig:
    def __init__(self) -> None:
        self.device = 0


class _OnDevice:
    """What every index there does: take memory, give it back, search within limits."""

    at: Any

    def settle(self, resources: StandardGpuResources, number: int) -> None:
        # FAISS's classes take no attribute of ours in the usual way.
        object.__setattr__(self, "at", SimpleNamespace(resources=resources, gpu=number, taken=0))

    def take(self, size: int) -> None:
        DEVICES.take(self.at.gpu, size)
        self.at.taken += size

    def __del__(self) -> None:
        with self.at.resources.used(self.at.gpu):
            DEVICES.taken[self.at.gpu] -= self.at.taken

    @contextmanager
    def searched(self, count: int, what: str) -> Iterator[None]:
        with self.at.resources.used(self.at.gpu):
            _refuse(count > MAX_K, f"GPU index only supports min/max-K selection up to {MAX_K}")
            if count > 1:
                sys.stderr.write(f"GPU {self.at.gpu} searched {what} for {count}\n")
            yield


class GpuIndexFlat(_OnDevice, faiss.IndexFlat):
    def __init__(self, resources: Any, dimension: int, metric: int, config: Any) -> None:
        faiss.IndexFlat.__init__(self, dimension, metric)
        self.settle(resources, config.device)
        with resources.used(config.device):
            pass

    def add(self, vectors: Any) -> None:
        with self.at.resources.used(self.at.gpu):
            self.take(vectors.nbytes)
            super().add(vectors)

    def search(self, x: Any, k: int, *, params: Any = None, **_: Any) -> Any:  # noqa: ARG002
        with self.searched(k, "rows"):
            return super().search(x, k)


class GpuIndexIVF(_OnDevice):
    def __init__(self, resources: Any, number: int, index: Any) -> None:
        self.settle(resources, number)
        with resources.used(number):
            self._index = faiss.clone_index(index)
            self.take(index.ntotal * (index.code_size + 8))

    def search(self, queries: Any, count: int, *, params: Any = None) -> Any:
        _refuse(type(params) is not faiss.SearchParametersIVF, "only SearchParametersIVF")
        with self.searched(count, type(self._index).__name__):
            _refuse(params.nprobe > MAX_K, f"GPU IVF index only supports nprobe <= {MAX_K}")
            how = faiss.SearchParametersIVF(nprobe=params.nprobe)  # type: ignore[call-arg]  # no stub
            return self._index.search(queries, count, params=how)


def index_cpu_to_gpu(resources: Any, number: int, index: Any) -> GpuIndexIVF:
    if isinstance(index, faiss.IndexIVFPQ):
        quantizer = index.pq
        _refuse(quantizer.nbits != 8, "Bits per code must be 8")
        _refuse(quantizer.M not in PQ_CODES, f"Number of bytes {quantizer.M} is not supported")
        _refuse(quantizer.M * 256 * 4 > SHARED_BYTES, "Consider useFloat16LookupTables")
        _refuse(not index.by_residual, "only by_residual = true is supported")
        _refuse(index.polysemous_ht != 0, "polysemous codes not supported")
    elif isinstance(index, faiss.IndexIVFScalarQuantizer):
        _refuse(index.d >= SHARED_BYTES // 8, "Insufficient shared memory")
    else:
        _refuse(type(index) is not faiss.IndexIVFFlat, "not implemented on GPU")
    return GpuIndexIVF(resources, number, index)


def _refuse(is_so: bool, why: str) -> None:
    if is_so:
        raise RuntimeError(f"Error in void f() at GpuIndex.cu:1: Error: 'x' failed: {why}")


def _usage(gpu: int) -> cuda.Usage:
    return cuda.Usage(DEVICES.size - DEVICES.taken[gpu], DEVICES.size)


def install(count: int, size: int) -> None:
    """Give this process `count` GPUs of `size` bytes each."""
    options = f"{faiss.get_compile_options()}GPU "
    faiss.get_compile_options = lambda: options
    faiss.get_num_gpus = lambda: count
    DEVICES.__init__(count, size)  # type: ignore[misc]
    for double in (StandardGpuResources, GpuIndexFlatConfig, GpuIndexFlat, index_cpu_to_gpu):
        setattr(faiss, double.__name__, double)
    cuda.gpu_count = lambda: count
    cuda.memory = _usage


if __name__ == "__main__":
    from quiver_engine.cli import engine

    install(int(sys.argv[1]), int(sys.argv[2]))
    engine(sys.argv[3:])
