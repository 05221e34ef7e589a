"""How much memory a segment needs on a GPU, and how much searches may use in a pod.

A search on a GPU holds a whole segment there: its raw vectors, an id of 8 bytes for each, and the
memory that FAISS reserves for its own use (getDefaultTempMemForGPU, StandardGpuResources.cpp).
The chart's admission policies compute the same.
"""

GPU_MEMORY_LABEL = "nvidia.com/gpu.memory"
"""Set on nodes by NVIDIA's GPU Feature Discovery: the memory of one of their GPUs, in MiB."""

BINARY_METRICS = frozenset({"HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"})
_ID_BYTES = 8
_NOT_FOR_SEARCHES_MIB = 2048


def needed_mib(index_file_size: int, dimension: int, metric_type: str, gpu_mib: int) -> int:
    """Return the MiB (2^20 bytes) that a full segment takes on a GPU of `gpu_mib`, rounded up."""
    row_bytes = dimension // 8 if metric_type in BINARY_METRICS else 4 * dimension
    ids = -(-index_file_size * _ID_BYTES // row_bytes)
    return index_file_size + ids + _faiss_mib(gpu_mib)


def search_memory_mib(limit_mib: int) -> int:
    """Return how many MiB searches may use in a pod with this memory limit.

    The rest is 2 GiB, or half of the limit if that is less. It is for the process, rows not flushed
    yet, calls in progress, and building the index of a segment of 1024 MB.
    """
    return limit_mib - min(_NOT_FOR_SEARCHES_MIB, -(-limit_mib // 2))


def _faiss_mib(gpu_mib: int) -> int:
    if gpu_mib <= 4096:
        return 512
    return 1024 if gpu_mib <= 8192 else 1536
