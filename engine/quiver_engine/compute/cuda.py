"""Asks CUDA about the GPUs, by the runtime library that FAISS has loaded."""

import ctypes
from typing import Any, NamedTuple


class CudaError(Exception):
    """CUDA cannot be used; the text is CUDA's own."""


class Usage(NamedTuple):
    """Bytes of a GPU's memory: in all, and those that no process holds."""

    free: int
    total: int


def gpu_count() -> int:
    """Return how many GPUs there are; raises CudaError without a GPU or a driver."""
    count = ctypes.c_int()
    _call("cudaGetDeviceCount", ctypes.byref(count))
    return count.value


def memory(gpu: int) -> Usage:
    """Return the memory of a GPU by its number from 0; raises CudaError."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _call("cudaSetDevice", gpu)
    _call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
    return Usage(free.value, total.value)


def _call(name: str, *arguments: Any) -> None:
    # FAISS has loaded the runtime for the whole process, so it need not be found.
    runtime = ctypes.CDLL(None)
    try:
        code = getattr(runtime, name)(*arguments)
    except AttributeError as error:
        raise CudaError("its runtime library is not loaded") from error
    if code:
        text = runtime.cudaGetErrorString
        text.restype = ctypes.c_char_p
        raise CudaError(text(code).decode())
